-- SPDX-License-Identifier: BSD-3-Clause
-- Copyright(c) 2026 dpdk-vfio-user contributors
--
-- Dissector of vfio-user for Wireshark and tshark, for files that
-- "dpdk-vfio-user trace --format pcapng" writes. Their packets name it (see
-- trace_pcapng.h), so that nothing is to be configured:
--
--   tshark -X lua_script:vfio_user.lua -r FILE.pcapng
--
-- or copied into the folder of personal plugins (Help, About, Folders).
--
-- Display filters begin with "vfio_user.": vfio_user.command == 9,
-- vfio_user.region == 7, vfio_user.flags.error == 1, vfio_user.time > 0.001

local vfio_user = Proto("vfio_user", "vfio-user")

local HEADER = 16
local MAX_LIST = 256 -- entries that are shown of a list

local COMMANDS = {
    [1] = "VERSION", [2] = "DMA_MAP", [3] = "DMA_UNMAP", [4] = "DEVICE_GET_INFO",
    [5] = "DEVICE_GET_REGION_INFO", [6] = "DEVICE_GET_REGION_IO_FDS",
    [7] = "DEVICE_GET_IRQ_INFO", [8] = "DEVICE_SET_IRQS", [9] = "REGION_READ",
    [10] = "REGION_WRITE", [11] = "DMA_READ", [12] = "DMA_WRITE", [13] = "DEVICE_RESET",
    [14] = "DIRTY_PAGES", [15] = "REGION_WRITE_MULTI", [16] = "DEVICE_FEATURE",
    [17] = "MIG_DATA_READ", [18] = "MIG_DATA_WRITE",
}
local TYPES = { [0] = "command", [1] = "reply" }
local SIDES = { [0] = "client", [1] = "server" }
local SOCKETS = { [0] = "main", [1] = "twin" }
local REGIONS = {
    [0] = "BAR0", [1] = "BAR1", [2] = "BAR2", [3] = "BAR3", [4] = "BAR4", [5] = "BAR5",
    [6] = "ROM", [7] = "CONFIG", [8] = "VGA",
}
local IRQS = { [0] = "INTX", [1] = "MSI", [2] = "MSIX", [3] = "ERR", [4] = "REQ" }
local CAPS = {
    [1] = "SPARSE_MMAP", [2] = "TYPE", [3] = "MSIX_MAPPABLE", [0x8001] = "SPARSE_MMAP_FDS",
}
local IO_FDS = { [0] = "IOEVENTFD", [1] = "IOREGIONFD" }
local FEATURES = {
    [1] = "MIGRATION", [2] = "MIG_DEVICE_STATE", [6] = "DMA_LOGGING_START",
    [7] = "DMA_LOGGING_STOP", [8] = "DMA_LOGGING_REPORT", [9] = "MIG_DATA_SIZE",
}
local STATES = {
    [0] = "ERROR", [1] = "STOP", [2] = "RUNNING", [3] = "STOP_COPY", [4] = "RESUMING",
    [5] = "RUNNING_P2P", [6] = "PRE_COPY", [7] = "PRE_COPY_P2P",
}
local ERRNOS = {
    [0] = "none given", [1] = "EPERM", [2] = "ENOENT", [4] = "EINTR", [5] = "EIO",
    [6] = "ENXIO", [7] = "E2BIG", [9] = "EBADF", [11] = "EAGAIN", [12] = "ENOMEM",
    [13] = "EACCES", [14] = "EFAULT", [16] = "EBUSY", [17] = "EEXIST", [19] = "ENODEV",
    [22] = "EINVAL", [23] = "ENFILE", [24] = "EMFILE", [25] = "ENOTTY", [27] = "EFBIG",
    [28] = "ENOSPC", [32] = "EPIPE", [34] = "ERANGE", [38] = "ENOSYS", [61] = "ENODATA",
    [71] = "EPROTO", [75] = "EOVERFLOW", [90] = "EMSGSIZE", [95] = "EOPNOTSUPP",
    [104] = "ECONNRESET", [107] = "ENOTCONN", [110] = "ETIMEDOUT", [125] = "ECANCELED",
}

-- ------------------------------------------------------------------- fields

local f, fields = {}, {}
local bits_of = {} -- by the name of flags

-- A field vfio_user.NAME, used as f.NAME with _ instead of dots.
local function define(name, make, ...)
    local new = make("vfio_user." .. name, ...)
    f[name:gsub("%.", "_")] = new
    fields[#fields + 1] = new
end

-- A number of flags: the whole and a truth value for each bit.
local function define_flags(name, title, bits)
    define(name, ProtoField.uint32, title, base.HEX)
    bits_of[name] = {}
    for i, bit in ipairs(bits) do
        define(name .. "." .. bit[1]:lower(), ProtoField.bool, bit[1], 32, nil, bit[2])
        bits_of[name][i] = fields[#fields]
    end
end

local P = ProtoField

define("from", P.uint8, "From", base.DEC, SIDES)
define("socket", P.uint8, "Socket", base.DEC, SOCKETS)
define("connection", P.uint32, "Connection")
define("fds", P.uint16, "File descriptors")
define("fd", P.string, "File descriptor")
define("lost", P.bool, "The receiver was gone")
define("raw", P.bytes, "Bytes that are no message")
define("partial", P.bytes, "Cut off message")

define("id", P.uint16, "Message ID")
define("command", P.uint16, "Command", base.DEC, COMMANDS)
define("size", P.uint32, "Message size")
define("flags", P.uint32, "Flags", base.HEX)
define("flags.type", P.uint32, "Type", base.DEC, TYPES, 0xf)
define("flags.no_reply", P.bool, "No reply", 32, nil, 0x10)
define("flags.error", P.bool, "Error", 32, nil, 0x20)
define("error", P.uint32, "Error number", base.DEC, ERRNOS)

define("request_in", P.framenum, "Request in", base.NONE, frametype.REQUEST)
define("response_in", P.framenum, "Reply in", base.NONE, frametype.RESPONSE)
define("time", P.relative_time, "Time from the request")

define("major", P.uint16, "Major version")
define("minor", P.uint16, "Minor version")
define("json", P.string, "Version data")

define("argsz", P.uint32, "argsz")
define("addr", P.uint64, "Address", base.HEX)
define("length", P.uint64, "Size", base.HEX)
define("offset", P.uint64, "Offset", base.HEX)
define("count", P.uint32, "Count")
define("count64", P.uint64, "Count")
define("data", P.bytes, "Data")
define("payload", P.bytes, "Payload")
define("extra", P.bytes, "Behind the payload")
define_flags("map_flags", "Flags", {
    { "READ", 1 }, { "WRITE", 2 }, { "MMAP", 4 }, { "FILE_IO", 8 } })
define_flags("unmap_flags", "Flags", { { "GET_DIRTY_BITMAP", 1 }, { "ALL", 2 } })
define("bitmap", P.bytes, "Bitmap")
define("bitmap.pgsize", P.uint64, "Page size of the bitmap", base.HEX)
define("bitmap.size", P.uint64, "Size of the bitmap")
define("bitmap.dirty", P.uint32, "Dirty pages")

define_flags("device_flags", "Flags", { { "RESET", 1 }, { "PCI", 2 } })
define("num_regions", P.uint32, "Regions")
define("num_irqs", P.uint32, "Interrupt types")

define("region", P.uint32, "Region", base.DEC, REGIONS)
define_flags("region_flags", "Flags", {
    { "READ", 1 }, { "WRITE", 2 }, { "MMAP", 4 }, { "CAPS", 8 } })
define("cap_offset", P.uint32, "Offset of the capabilities")
define("cap", P.uint16, "Capability", base.DEC, CAPS)
define("cap.version", P.uint16, "Version")
define("cap.next", P.uint32, "Next")
define("cap.nr_areas", P.uint32, "Areas")
define("cap.reserved", P.uint32, "Reserved")
define("cap.type", P.uint32, "Type", base.HEX)
define("cap.subtype", P.uint32, "Subtype", base.HEX)
define("cap.data", P.bytes, "Body")
define("area.offset", P.uint64, "Offset", base.HEX)
define("area.size", P.uint64, "Size", base.HEX)
define("area.fd_offset", P.uint64, "Offset in the file", base.HEX)
define("fd_index", P.uint32, "Index of the file descriptor")

define("io.flags", P.uint32, "Flags", base.HEX)
define("io.offset", P.uint64, "Offset", base.HEX)
define("io.size", P.uint64, "Size", base.HEX)
define("io.type", P.uint32, "Type", base.DEC, IO_FDS)
define_flags("ioeventfd_flags", "Flags", {
    { "DATAMATCH", 1 }, { "PIO", 2 }, { "DEASSIGN", 4 }, { "VIRTIO_CCW_NOTIFY", 8 } })
define_flags("ioregionfd_flags", "Flags", { { "PIO", 1 }, { "POSTED_WRITES", 2 } })
define("io.datamatch", P.uint64, "Data match", base.HEX)
define("io.user_data", P.uint64, "User data", base.HEX)

define("irq", P.uint32, "Interrupt type", base.DEC, IRQS)
define_flags("irq_flags", "Flags", {
    { "EVENTFD", 1 }, { "MASKABLE", 2 }, { "AUTOMASKED", 4 }, { "NORESIZE", 8 } })
define_flags("irq_set_flags", "Flags", {
    { "DATA_NONE", 1 }, { "DATA_BOOL", 2 }, { "DATA_EVENTFD", 4 },
    { "ACTION_MASK", 8 }, { "ACTION_UNMASK", 16 }, { "ACTION_TRIGGER", 32 } })
define("irq.start", P.uint32, "Start")
define("irq.bools", P.bytes, "Booleans")

define("wr_cnt", P.uint64, "Writes")

define("feature", P.uint32, "Feature", base.DEC, FEATURES, 0xffff)
define_flags("feature_flags", "Flags", {
    { "GET", 0x10000 }, { "SET", 0x20000 }, { "PROBE", 0x40000 } })
define_flags("migration_flags", "Flags", { { "STOP_COPY", 1 }, { "P2P", 2 }, { "PRE_COPY", 4 } })
define("device_state", P.uint32, "Device state", base.DEC, STATES)
define("data_fd", P.uint32, "data_fd", base.HEX)
define("page_size", P.uint64, "Page size", base.HEX)
define("num_ranges", P.uint32, "Ranges")
define("reserved", P.uint32, "Reserved")
define("iova", P.uint64, "IOVA", base.HEX)
define("iova_length", P.uint64, "Length", base.HEX)
define("stop_copy_length", P.uint64, "Size of the data")

vfio_user.fields = fields

local e = {
    error = ProtoExpert.new("vfio_user.expert.error", "Error reply",
        expert.group.RESPONSE_CODE, expert.severity.WARN),
    malformed = ProtoExpert.new("vfio_user.expert.malformed", "Malformed",
        expert.group.MALFORMED, expert.severity.ERROR),
    unexpected = ProtoExpert.new("vfio_user.expert.unexpected", "Reply to nothing",
        expert.group.SEQUENCE, expert.severity.WARN),
    lost = ProtoExpert.new("vfio_user.expert.lost", "The receiver was gone",
        expert.group.SEQUENCE, expert.severity.WARN),
    short = ProtoExpert.new("vfio_user.expert.short", "Payload too short",
        expert.group.MALFORMED, expert.severity.WARN),
    unknown = ProtoExpert.new("vfio_user.expert.unknown", "Unknown command",
        expert.group.UNDECODED, expert.severity.NOTE),
}
vfio_user.experts = { e.error, e.malformed, e.unexpected, e.lost, e.short, e.unknown }

-- ------------------------------------------------------------------ payload

-- A payload that is read from its start on. What is not there is not shown.
local Reader = {}
Reader.__index = Reader

local function reader(range, tree, little, total)
    return setmetatable({ range = range, tree = tree, little = little, pos = 0,
                          len = range and range:len() or 0, total = total }, Reader)
end

function Reader:left()
    return self.len - self.pos
end

-- The next bytes, or nil with a remark.
function Reader:take(size)
    if self:left() < size then
        if not self.short then
            self.tree:add_proto_expert_info(e.short)
        end
        self.short = true
        return nil
    end
    local range = self.range(self.pos, size)
    self.pos = self.pos + size
    return range
end

function Reader:add(what, size, tree)
    local range = self:take(size)
    if range == nil then
        return nil
    end
    tree = tree or self.tree
    if self.little then
        return tree:add_le(what, range), range
    end
    return tree:add(what, range), range
end

-- Numbers of 32 and 64 bits, the latter as UInt64.
function Reader:u32(what, tree)
    local _, range = self:add(what, 4, tree)
    return range and (self.little and range:le_uint() or range:uint())
end

function Reader:u64(what, tree)
    local _, range = self:add(what, 8, tree)
    return range and (self.little and range:le_uint64() or range:uint64())
end

-- Flags: the number and below it its bits.
function Reader:bits(name)
    local item, range = self:add(f[name], 4)
    if range == nil then
        return nil
    end
    for _, bit in ipairs(bits_of[name]) do
        if self.little then item:add_le(bit, range) else item:add(bit, range) end
    end
    return self.little and range:le_uint() or range:uint()
end

function Reader:rest(what)
    if self:left() > 0 then
        self.tree:add(what, self.range(self.pos, self:left()))
    end
    self.pos = self.len
end

-- A list of at most so many entries of a size.
function Reader:list(count, size, title, show)
    local i = 0
    while i < count and i < MAX_LIST and self:left() >= size do
        local parent = self.tree
        self.tree = parent:add(vfio_user, self.range(self.pos, size),
                               string.format("%s %d", title, i))
        show(self)
        self.tree = parent
        i = i + 1
    end
    if i < count then
        if self.total <= self.len and count - i > self:left() / size then
            self.tree:add_proto_expert_info(e.short, "The list is longer than the message")
        end
        self.pos = self.len
    end
end

local function small(u64)
    return u64 and tonumber(tostring(u64)) or 0
end

-- Number of bits that are set.
local function count_bits(range)
    local dirty = 0
    for i = 0, range:len() - 1 do
        local byte = range(i, 1):uint()
        while byte > 0 do
            dirty = dirty + byte % 2
            byte = math.floor(byte / 2)
        end
    end
    return dirty
end

local function show_bitmap(r)
    if r:left() == 0 then
        return
    end
    local range = r.range(r.pos)
    r.tree:add(f.bitmap_dirty, range, count_bits(range))
    r:rest(f.bitmap)
end

local show = {}

show[1] = function(r, m)
    r:add(f.major, 2)
    r:add(f.minor, 2)
    if r:left() > 0 then
        -- a peer's text, which may have no NUL, or bytes that a terminal obeys
        m.info = r.range(r.pos):raw():match("^[^\0]*"):gsub("[^ -~]", ".")
        r:rest(f.json)
    end
end

show[2] = function(r, m)
    if m.reply then
        return
    end
    r:u32(f.argsz)
    r:bits("map_flags")
    r:u64(f.offset)
    local addr, size = r:u64(f.addr), r:u64(f.length)
    if size then
        m.info = string.format("0x%s size 0x%s", addr:tohex(), size:tohex())
    end
end

show[3] = function(r, m)
    r:u32(f.argsz)
    local flags = r:bits("unmap_flags")
    local addr, size = r:u64(f.addr), r:u64(f.length)
    if size then
        m.info = string.format("0x%s size 0x%s", addr:tohex(), size:tohex())
    end
    if flags and flags % 2 == 1 and r:left() > 0 then
        r:u64(f.bitmap_pgsize)
        r:u64(f.bitmap_size)
        show_bitmap(r)
    end
end

show[4] = function(r, m)
    r:u32(f.argsz)
    r:bits("device_flags")
    local regions, irqs = r:u32(f.num_regions), r:u32(f.num_irqs)
    if m.reply and irqs then
        m.info = string.format("%d regions, %d interrupt types", regions, irqs)
    end
end

local function region_name(index)
    return REGIONS[index] or string.format("region %d", index)
end

local function show_area(r)
    r:u64(f.area_offset)
    r:u64(f.area_size)
end

local function show_fds_area(r)
    r:u64(f.area_offset)
    r:u64(f.area_fd_offset)
    r:u64(f.area_size)
    r:u32(f.fd_index)
    r:u32(f.reserved)
end

local function show_cap(r, id)
    if id == 1 or id == 0x8001 then
        local nr_areas = r:u32(f.cap_nr_areas)
        r:u32(f.cap_reserved)
        if nr_areas then
            r:list(nr_areas, id == 1 and 16 or 32, "Area", id == 1 and show_area or show_fds_area)
        end
    elseif id == 2 then
        r:u32(f.cap_type)
        r:u32(f.cap_subtype)
    else
        r:rest(f.cap_data)
    end
end

-- Offsets of capabilities go up, or this could have no end.
local function show_caps(r, offset)
    local parent = r.tree
    while offset ~= 0 do
        if offset < r.pos or offset + 8 > r.len then
            parent:add_proto_expert_info(e.malformed, "The capabilities are no chain")
            break
        end
        r.pos = offset
        r.tree = parent:add(vfio_user, r.range(offset), "Capability")
        local _, range = r:add(f.cap, 2)
        r:add(f.cap_version, 2)
        local following = r:u32(f.cap_next)
        local id = r.little and range:le_uint() or range:uint()
        r.tree:append_text(": " .. (CAPS[id] or id))
        local len, total = r.len, r.total
        if following >= r.pos and following <= len then
            r.len, r.total = following, following -- it ends where the next one begins
        end
        show_cap(r, id)
        r.len, r.total = len, total
        offset = following
    end
    r.tree = parent
    r.pos = r.len
end

show[5] = function(r, m)
    r:u32(f.argsz)
    local flags = r:bits("region_flags")
    local index, caps = r:u32(f.region), r:u32(f.cap_offset)
    local size = r:u64(f.length)
    r:u64(f.offset)
    if index then
        m.info = region_name(index)
    end
    if m.reply and size then
        m.info = m.info .. " size 0x" .. size:tohex()
        if math.floor(flags / 8) % 2 == 1 and not r.short then
            show_caps(r, caps)
        end
    end
end

local function show_sub_region(r)
    r:u64(f.io_offset)
    r:u64(f.io_size)
    r:u32(f.fd_index)
    local ioregionfd = r:u32(f.io_type) == 1
    r:bits(ioregionfd and "ioregionfd_flags" or "ioeventfd_flags")
    r:u32(f.reserved)
    r:u64(ioregionfd and f.io_user_data or f.io_datamatch)
end

show[6] = function(r, m)
    r:u32(f.argsz)
    r:u32(f.io_flags)
    local index, count = r:u32(f.region), r:u32(f.count)
    if count then
        m.info = region_name(index)
        if m.reply then
            r:list(count, 40, "Sub-region", show_sub_region)
        end
    end
end

show[7] = function(r, m)
    r:u32(f.argsz)
    r:bits("irq_flags")
    local index, count = r:u32(f.irq), r:u32(f.count)
    if count then
        m.info = (IRQS[index] or index) .. (m.reply and " count " .. count or "")
    end
end

show[8] = function(r, m)
    if m.reply then
        return
    end
    r:u32(f.argsz)
    local flags = r:bits("irq_set_flags")
    local index, start, count = r:u32(f.irq), r:u32(f.irq_start), r:u32(f.count)
    if count == nil then
        return
    end
    m.info = string.format("%s start %d count %d", IRQS[index] or index, start, count)
    if math.floor(flags / 2) % 2 == 1 and count > 0 then
        if count > r.total - r.pos then
            r.tree:add_proto_expert_info(e.short, "The list is longer than the message")
        end
        if r:left() > 0 then
            r:add(f.irq_bools, math.min(count, r:left()))
        end
    end
end

local function show_data(r, count)
    if count ~= r.total - r.pos then
        r.tree:add_proto_expert_info(e.malformed, "Count and data differ")
    end
    r:rest(f.data)
end

local function show_access(r, m)
    if m.reply and r.total == 0 then
        return
    end
    local offset, region, count = r:u64(f.offset), r:u32(f.region), r:u32(f.count)
    if count == nil then
        return
    end
    m.info = string.format("%s offset 0x%s count %d", region_name(region), offset:tohex(), count)
    if (m.command == 9) == m.reply then
        show_data(r, count)
    end
end
show[9] = show_access
show[10] = show_access

-- In the specification the reply to a DMA_WRITE has a count of 32 bits; in QEMU 10.x
-- that to a DMA_READ has, too.
local function show_dma(r, m)
    if m.reply and r.total == 0 then
        return
    end
    local addr, range = r:u64(f.addr), r:left() >= 4 and r.range(r.pos, 4)
    local count = range and (r.little and range:le_uint() or range:uint())
    if m.reply and count and r.total == 12 + (m.command == 11 and count or 0) then
        r:u32(f.count)
    else
        count = r:u64(f.count64)
        if count == nil then
            return
        end
    end
    m.info = string.format("0x%s count %s", addr:tohex(), tostring(count))
    if (m.command == 11) == m.reply then
        show_data(r, small(count))
    end
end
show[11] = show_dma
show[12] = show_dma

show[13] = function()
end

local function show_write(r)
    r:u64(f.offset)
    r:u32(f.region)
    local count = r:u32(f.count)
    r.tree:add(f.data, r.range(r.pos, math.max(1, math.min(count, 8))))
    r.pos = r.pos + 8
end

show[15] = function(r, m)
    local count = r:u64(f.wr_cnt)
    if count then
        m.info = tostring(count) .. " writes"
        if not m.reply then
            r:list(small(count), 24, "Write", show_write)
        end
    end
end

local feature = {}

feature[1] = function(r)
    r:bits("migration_flags")
    r:u32(f.reserved)
end

feature[2] = function(r, m)
    local state = r:u32(f.device_state)
    r:u32(f.data_fd)
    if state then
        m.info = m.info .. " " .. (STATES[state] or state)
    end
end

feature[6] = function(r)
    r:u64(f.page_size)
    local count = r:u32(f.num_ranges)
    r:u32(f.reserved)
    if count then
        r:list(count, 16, "Range", function(range)
            range:u64(f.iova)
            range:u64(f.iova_length)
        end)
    end
end

feature[8] = function(r)
    r:u64(f.iova)
    r:u64(f.iova_length)
    r:u64(f.page_size)
    show_bitmap(r)
end

feature[9] = function(r)
    r:u64(f.stop_copy_length)
end

show[16] = function(r, m)
    r:u32(f.argsz)
    local pos, flags = r.pos, r:bits("feature_flags")
    if flags == nil then
        return
    end
    local index, range = flags % 0x10000, r.range(pos, 4)
    if r.little then r.tree:add_le(f.feature, range) else r.tree:add(f.feature, range) end
    m.info = FEATURES[index] or string.format("feature %d", index)
    if feature[index] and r:left() > 0 then
        feature[index](r, m)
    end
end

local function show_mig_data(r, m)
    if m.reply and r.total == 0 then
        return
    end
    r:u32(f.argsz)
    local size = r:u32(f.count)
    if size then
        m.info = "size " .. size
        if (m.command == 17) == m.reply then
            show_data(r, size)
        end
    end
end
show[17] = show_mig_data
show[18] = show_mig_data

-- ------------------------------------------------------ requests and replies

local waiting -- requests by connection, socket, sender and id
local pairs_of -- by frame: the frame of the other one, times

function vfio_user.init()
    waiting, pairs_of = {}, {}
end

-- Ids may be in use several times: the oldest request is answered first.
local function match(m, pinfo)
    local sender = m.reply and 1 - m.from or m.from
    local key = string.format("%d %d %d %d %d", m.connection, m.socket, sender, m.id, m.command)
    if not m.reply then
        if not m.no_reply then
            waiting[key] = waiting[key] or {}
            table.insert(waiting[key], pinfo.number)
            pairs_of[pinfo.number] = { time = pinfo.rel_ts }
        end
        return
    end
    local request = waiting[key] and table.remove(waiting[key], 1)
    if request then
        pairs_of[request].reply = pinfo.number
        pairs_of[pinfo.number] = { request = request, time = pairs_of[request].time }
    end
end

local function show_match(m, pinfo, tree)
    local pair = pairs_of[pinfo.number]
    if not m.reply then
        if pair and pair.reply then
            tree:add(f.response_in, pair.reply):set_generated()
        end
    elseif pair then
        local delta = pinfo.rel_ts - pair.time
        tree:add(f.request_in, pair.request):set_generated()
        tree:add(f.time, NSTime.new(math.floor(delta),
                 math.floor((delta - math.floor(delta)) * 1e9 + 0.5))):set_generated()
    else
        tree:add_proto_expert_info(e.unexpected)
    end
end

-- ------------------------------------------------------------------- packets

local function bit(number, mask)
    return math.floor(number / mask) % 2
end

-- What the proxy says about the message; the length of it.
local function show_prefix(tvb, tree, m)
    local flags = tvb(1, 1):uint()
    m.from, m.socket = bit(flags, 1), bit(flags, 2)
    m.partial, m.raw, m.lost = bit(flags, 4) == 1, bit(flags, 8) == 1, bit(flags, 16) == 1
    m.little = bit(flags, 32) == 1
    m.connection = tvb(4, 4):uint()
    tree:add(f.from, tvb(1, 1), m.from)
    tree:add(f.socket, tvb(1, 1), m.socket)
    tree:add(f.connection, tvb(4, 4))
    if m.lost then
        tree:add(f.lost, tvb(1, 1), true):add_proto_expert_info(e.lost)
    end
    local fds, pos = tree:add(f.fds, tvb(8, 2)), 12
    m.fds = tvb(8, 2):uint()
    for _ = 1, tvb(10, 2):uint() do
        local len = tvb(pos, 1):uint()
        if len > 0 then
            fds:add(f.fd, tvb(pos + 1, len))
        end
        pos = pos + 1 + len
    end
    return tvb(2, 2):uint()
end

local function show_header(r, tree, m)
    local number = function(item, range)
        return range and (m.little and range:le_uint() or range:uint())
    end
    m.id = number(r:add(f.id, 2))
    m.command = number(r:add(f.command, 2))
    m.size = r:u32(f.size)
    local item, range = r:add(f.flags, 4)
    local flags = number(item, range)
    for _, part in ipairs({ f.flags_type, f.flags_no_reply, f.flags_error }) do
        if m.little then item:add_le(part, range) else item:add(part, range) end
    end
    m.reply = flags % 16 == 1
    m.no_reply, m.failed = bit(flags, 16) == 1, bit(flags, 32) == 1
    m.error = number(r:add(f.error, 4))
    if m.failed then
        tree:add_proto_expert_info(e.error, "Error reply: " .. (ERRNOS[m.error] or m.error))
    end
end

local function info_text(m)
    local text = (COMMANDS[m.command] or "unknown command " .. m.command) .. " id " .. m.id
    if m.reply then
        text = text .. (m.failed and " error " .. (ERRNOS[m.error] or m.error) or " reply")
    elseif m.no_reply then
        text = text .. " (no reply)"
    end
    if m.info then
        text = text .. ": " .. m.info
    end
    if m.fds > 0 then
        text = text .. string.format(" [%d fd%s]", m.fds, m.fds == 1 and "" or "s")
    end
    return text
end

local function show_message(tvb, pinfo, tree, m)
    show_header(reader(tvb(0, HEADER), tree, m.little, HEADER), tree, m)
    if not pinfo.visited then
        match(m, pinfo)
    end
    show_match(m, pinfo, tree)
    local there = tvb:len() > HEADER
    local range = there and tvb(HEADER) or nil
    local total = m.size - HEADER
    local branch = there and tree:add(vfio_user, range, "Payload") or tree
    local r = reader(range, branch, m.little, total)
    if total > 0 or not (m.reply and m.failed) then
        local decode = show[m.command]
        if decode then
            decode(r, m)
        elseif m.command ~= 14 then
            tree:add_proto_expert_info(e.unknown)
        end
    end
    r:rest(show[m.command] and f.extra or f.payload)
    pinfo.cols.info = info_text(m)
end

function vfio_user.dissector(tvb, pinfo, root)
    if tvb:len() < 12 or tvb(0, 1):uint() ~= 1 then
        return 0
    end
    local tree, m = root:add(vfio_user, tvb()), {}
    local prefix = tree:add(vfio_user, tvb(0, tvb(2, 2):uint()), "Capture")
    local start = show_prefix(tvb, prefix, m)
    pinfo.cols.protocol = "vfio-user"
    pinfo.cols.src = SIDES[m.from]
    pinfo.cols.dst = SIDES[1 - m.from]
    if m.raw or m.partial then
        local what = m.raw and "Malformed: no message" or "Cut off message"
        tree:add(m.raw and f.raw or f.partial, tvb(start)):add_proto_expert_info(e.malformed, what)
        pinfo.cols.info = what
    else
        show_message(tvb(start):tvb(), pinfo, tree, m)
    end
    return tvb:len()
end
