# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Sphinx configuration; scripts/build-docs.sh gives the release."""

project = "dpdk-vfio-user"
copyright = "2026 dpdk-vfio-user contributors"  # pylint: disable=redefined-builtin
author = "dpdk-vfio-user contributors"

needs_sphinx = "4.0"
master_doc = "index"
highlight_language = "none"
nitpicky = True

html_theme = "alabaster"
html_theme_options = {"page_width": "60em", "fixed_sidebar": "true"}
html_show_sourcelink = False
html_copy_source = False
