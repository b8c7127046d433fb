# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Completion of dpdk-vfio-user for bash. Commands, options and arguments are those
# that the program lists.
# shellcheck shell=bash

# What trace --command takes.
_dpdk_vfio_user_messages=(
	VERSION DMA_MAP DMA_UNMAP DEVICE_GET_INFO DEVICE_GET_REGION_INFO
	DEVICE_GET_REGION_IO_FDS DEVICE_GET_IRQ_INFO DEVICE_SET_IRQS REGION_READ
	REGION_WRITE DMA_READ DMA_WRITE DEVICE_RESET DIRTY_PAGES REGION_WRITE_MULTI
	DEVICE_FEATURE MIG_DATA_READ MIG_DATA_WRITE
)

# Words that an argument of this name can have, from its beginning.
_dpdk_vfio_user_argument()
{
	local name=$1 cur=$2 file

	case $name in
	SOCK | PATH)
		while read -r file; do
			[ ! -S "$file" ] || echo "$file"
			[ ! -d "$file" ] || echo "$file/"
		done < <(compgen -f -- "$cur")
		;;
	FILE) compgen -f -- "$cur" ;;
	REGION) compgen -W "bar0 bar1 bar2 bar3 bar4 bar5 rom config vga" -- "$cur" ;;
	INDEX) compgen -W "intx msi msix err req" -- "$cur" ;;
	FORMAT) compgen -W "text json pcapng" -- "$cur" ;;
	NAME) compgen -W "${_dpdk_vfio_user_messages[*]}" -- "$cur" ;;
	esac
}

# Print the name of the argument that comes behind these words of a command line.
_dpdk_vfio_user_place()
{
	words=$(printf '%s\n' "$@" .) awk '
		{ name[$2] = $3 }
		END {
			n = split(ENVIRON["words"], word, "\n")
			for (i = 1; i < n; i++) {
				if (word[i] !~ /^-/)
					place++
				else if (name[word[i]] != "" && name[word[i]] != "-")
					if (++i == n) {
						print name[word[i - 1]]
						exit
					}
			}
			print name[place + 1]
		}'
}

_dpdk_vfio_user()
{
	local cur=${COMP_WORDS[COMP_CWORD]} list name words

	COMPREPLY=()
	list=$("$1" --list 2>/dev/null) || return
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="$(cut -d' ' -f1 <<<"$list" | uniq) --help --version --list"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	list=$(grep "^${COMP_WORDS[1]} " <<<"$list") || return
	name=$(_dpdk_vfio_user_place "${COMP_WORDS[@]:2:COMP_CWORD-2}" <<<"$list")
	if [[ $cur == -* ]]; then
		words=$(awk '$2 ~ /^--/ { print $2 }' <<<"$list")
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		mapfile -t COMPREPLY < <(_dpdk_vfio_user_argument "$name" "$cur")
		[[ ${COMPREPLY[0]-} != */ ]] || compopt -o nospace 2>/dev/null
	fi
}

complete -F _dpdk_vfio_user dpdk-vfio-user
