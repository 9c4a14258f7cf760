"""Bootable images of devices, built, configured and tried by ``edgectl image``.

A recipe (a folder of ``firmware-images/``) becomes `Parts`, parts and a card become a
disk, and a disk boots in QEMU or is written to a real one. Nothing here needs root or
a loop mount, except the installation of packages where the machine allows no other way.
"""
