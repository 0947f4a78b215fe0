"""The extensions and libraries of a wheel: what they export and need, and how they are hardened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import lief

from ci.errors import UserError

# Its messages, such as one at exit about its own objects, are for its developers.
lief.logging.disable()
lief.disable_leak_warning()

MAGICS = (
    b"\x7fELF",
    b"MZ",
    # Mach-O with 64 bits, and of several architectures.
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
# OPENSSL_VERSION_TEXT, whose date other libraries that mention OpenSSL do not have.
VERSION = re.compile(
    rb"OpenSSL (\d+\.\d+\.\d+[a-z]?)(?:[-+][-+\w.]*)?(?:-fips)? +\d{1,2} [A-Z][a-z]{2} 20\d\d"
)
LIBCRYPTO = re.compile(r"(?:.*/)?(?:libcrypto|libeay32)[-.]", re.IGNORECASE)
# In the assembler of libcrypto. An extension that is linked to shared libraries has the version of
# its headers, but not this.
ASSEMBLER = b"CRYPTOGAMS"
PATHS = ("RPATH", "RUNPATH")
# The instruction that an indirect call may jump to.
ENDBR64 = b"\xf3\x0f\x1e\xfa"


@dataclass(frozen=True, slots=True)
class Binary:
    """A shared object of a wheel.

    Attributes:
        name: its path in the wheel.
        needed: the libraries that it is linked to.
        exported: the names that it exports.
        openssl: the versions of the OpenSSL that it contains; more than one only if it is broken.
        weaknesses: what it lacks of the hardening that its format and architecture offer.
    """

    name: str
    needed: tuple[str, ...]
    exported: tuple[str, ...]
    openssl: tuple[str, ...]
    weaknesses: tuple[str, ...]

    @property
    def libcrypto(self) -> str:
        """The libcrypto that it is linked to, or an empty string."""
        return next((each for each in self.needed if LIBCRYPTO.match(each)), "")


def read(name: str, data: bytes) -> Binary | None:
    """Return the binary in a file; None for a file of another kind.

    Raises:
        UserError: it is damaged.
    """
    if not data.startswith(MAGICS):
        return None
    parsed: Any = lief.parse(data)
    if parsed is None or (isinstance(parsed, lief.ELF.Binary) and not len(parsed.segments)):
        raise UserError(f"{name} is damaged and cannot be read as ELF, PE or Mach-O")
    needed = tuple(str(each) for each in _needed(parsed))
    versions = tuple(dict.fromkeys(found.decode() for found in VERSION.findall(data)))
    linked = any(LIBCRYPTO.match(each) for each in needed)
    return Binary(
        name,
        needed,
        tuple(sorted(_exported(parsed))),
        versions if ASSEMBLER in data or not linked else (),
        tuple(_weaknesses(parsed)),
    )


def _needed(parsed: Any) -> list[Any]:
    if isinstance(parsed, lief.MachO.Binary):
        return [each.name for each in parsed.libraries]
    if isinstance(parsed, lief.PE.Binary):
        return [each.name for each in parsed.imports]
    return list(parsed.libraries)


def _exported(parsed: Any) -> set[str]:
    if isinstance(parsed, lief.ELF.Binary):
        return {str(each.name) for each in parsed.exported_symbols}
    if isinstance(parsed, lief.PE.Binary):
        exported = parsed.get_export()
        return {str(each.name) for each in exported.entries} if exported else set()
    return {str(each.name).removeprefix("_") for each in parsed.exported_symbols}


def _weaknesses(parsed: Any) -> list[str]:
    if isinstance(parsed, lief.ELF.Binary):
        return _weaknesses_of_elf(parsed)
    if isinstance(parsed, lief.PE.Binary):
        flags = lief.PE.OptionalHeader.DLL_CHARACTERISTICS
        wanted = {
            "address space layout randomization (/DYNAMICBASE)": flags.DYNAMIC_BASE,
            "data execution prevention (/NXCOMPAT)": flags.NX_COMPAT,
        }
        return [name for name, flag in wanted.items() if not parsed.optional_header.has(flag)]
    return ["an LC_RPATH"] if parsed.has_rpath else []


def _weaknesses_of_elf(parsed: Any) -> list[str]:
    tags = lief.ELF.DynamicEntry.TAG
    imported = {str(each.name) for each in parsed.imported_symbols}
    found = {
        "no full RELRO (-z relro -z now)": not (_has_relro(parsed) and _binds_now(parsed)),
        "an executable stack (-z noexecstack)": not parsed.has_nx,
        "no stack protector": not {"__stack_chk_fail", "__stack_chk_guard"} & imported,
        "no fortified call (_FORTIFY_SOURCE)": not (
            # musl has its fortified calls in headers alone.
            any(re.fullmatch(r"__\w+_chk", each) for each in imported - {"__stack_chk_fail"})
            or any("musl" in str(each) for each in parsed.libraries)
        ),
        "no control-flow protection (-fcf-protection)": not _has_cet(parsed),
        **{f"an {name}": parsed.has(getattr(tags, name)) for name in PATHS},
        "debugging information": any(
            str(each.name).startswith(".debug_") for each in parsed.sections
        ),
        "a symbol table (strip it)": parsed.has_section(".symtab"),
    }
    return [name for name, is_so in found.items() if is_so]


def _has_relro(parsed: Any) -> bool:
    return any(each.type == lief.ELF.Segment.TYPE.GNU_RELRO for each in parsed.segments)


def _binds_now(parsed: Any) -> bool:
    for each in parsed.dynamic_entries:
        if each.tag == lief.ELF.DynamicEntry.TAG.BIND_NOW:
            return True
        if isinstance(each, lief.ELF.DynamicEntryFlags) and (
            each.has(lief.ELF.DynamicEntryFlags.FLAG.BIND_NOW)
            or each.has(lief.ELF.DynamicEntryFlags.FLAG.NOW)
        ):
            return True
    return False


def _has_cet(parsed: Any) -> bool:
    """Return whether the extension was compiled with -fcf-protection; true for other processors.

    The linker marks a library only if the C library's start files are marked, too, which not every
    distribution's are. Then the first instruction of each exported function shows it.
    """
    if parsed.header.machine_type != lief.ELF.ARCH.X86_64:
        return True
    marked = any(
        lief.ELF.X86Features.FEATURE.IBT in {feature for _, feature in each.features}
        for note in parsed.notes
        if isinstance(note, lief.ELF.NoteGnuProperty)
        for each in note.properties
        if isinstance(each, lief.ELF.X86Features)
    )
    exported = [each for each in parsed.exported_symbols if each.is_function]
    return marked or all(
        bytes(parsed.get_content_from_virtual_address(each.value, len(ENDBR64))) == ENDBR64
        for each in exported
    )
