"""setup.py's part of the tooling: find OpenSSL, read its headers, and return each step's arguments.

Only the standard library and Python 3.9 are needed: this runs wherever the package is built.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
SWIG_DIR = ROOT / "SWIG"
INTERFACE = SWIG_DIR / "_m2crypto.i"
EXPORTS = SWIG_DIR / "exports.map"
OLDEST_SWIG = (4, 4)
OLDEST_OPENSSL = 0x10101000
# From this version on OPENSSL_NO_DEPRECATED hides the deprecated functions; none is called.
WITHOUT_DEPRECATED = 0x30000000
# The limited API has the buffer protocol from 3.11 on.
LIMITED_API = (3, 11)

HEADERS = (
    "asn1", "bio", "bn", "cms", "crypto", "ec", "err", "evp", "objects", "ocsp", "opensslv",
    "pem", "pkcs12", "pkcs7", "rand", "rsa", "ssl", "store", "x509", "x509_vfy", "x509v3",
)  # fmt: skip

# The names after OPENSSL_NO_ of OpenSSL 1.1.1 to 4.0. Programs read these constants, so each exists
# in every build: 1 if the headers define the macro, else 0.
SWITCHES = """
    ACVP_TESTS AFALGENG ALLOCFAIL_TESTS APPS ARGON2 ARIA ASAN ASM ASYNC ATEXIT AUTOALGINIT
    AUTOERRINIT AUTOLOAD_CONFIG BF BLAKE2 BROTLI BROTLI_DYNAMIC BULK CACHED_FETCH CAMELLIA
    CAPIENG CAST CHACHA CMAC CMP CMS COMP COMP_ALG CRMF CRYPTO_MDEBUG CRYPTO_MDEBUG_BACKTRACE
    CT DEFAULT_THREAD_POOL DEMOS DEPRECATED DES DEVCRYPTOENG DGRAM DH DOCS DSA DSO DTLS DTLS1
    DTLS1_2 DTLS1_2_METHOD DTLS1_METHOD DYNAMIC_ENGINE EC EC2M ECDH ECDSA ECH ECX
    EC_EXPLICIT_CURVES EC_NISTP_64_GCC_128 EGD ENGINE ERR EXTERNAL_TESTS FILENAMES FIPS
    FIPS_JITTER FIPS_POST FIPS_SECURITYCHECKS FUZZ_AFL FUZZ_LIBFUZZER GOST H3DEMO HEARTBEATS
    HMAC_DRBG_KDF HQINTEROP HTTP IDEA INTEGRITY_ONLY_CIPHERS JITTER KBKDF KRB5KDF KTLS LEGACY
    LMS LOADERENG MAKEDEPEND MD2 MD4 MD5 MDC2 ML_DSA ML_KEM MODULE MSAN MULTIBLOCK
    NEXTPROTONEG OCB OCSP PADLOCKENG PIC PIE PINSHARED POLY1305 POSIX_IO PROXY PSK PVKKDF QUIC
    RC2 RC4 RC5 RDRAND RFC3779 RMD160 RSA SCRYPT SCTP SECURE_MEMORY SEED SHARED SIPHASH SIV
    SLH_DSA SM2 SM2_PRECOMP SM3 SM4 SNMPKDF SOCK SRP SRTP SRTPKDF SSE2 SSHKDF SSKDF SSL SSL3
    SSL3_METHOD SSLKEYLOG SSL_TRACE STATIC_ENGINE STATIC_VCRUNTIME STDIO TESTS TFO THREADS
    THREAD_POOL TLS TLS1 TLS1_1 TLS1_1_METHOD TLS1_2 TLS1_2_METHOD TLS1_3 TLS1_METHOD
    TLS_DEPRECATED_EC TRACE TS UBSAN UI UI_CONSOLE UNIT_TEST UNSTABLE_QLOG UPLINK
    WEAK_SSL_CIPHERS WHIRLPOOL WINSTORE X942KDF X963KDF ZLIB ZLIB_DYNAMIC ZSTD ZSTD_DYNAMIC
""".split()  # noqa: SIM905  (a line each is too long to read)

# The integer macros that become constants, each in the builds that have it.
CONSTANTS = re.compile(
    r"""
    NID_\w+ | OPENSSL_VERSION_NUMBER | OPENSSL_NO_\w+
    | ASN1_STRFLGS_\w+ | V_ASN1_\w+ | MBSTRING_\w+ | B_ASN1_\w+
    | BIO_FLAGS_\w+ | CMS_(?![FR]_)\w+ | ERR_LIB_\w+
    | EVP_MAX_\w+ | EVP_PKEY_(RSA|RSA_PSS|DSA|DH|EC|X25519|X448|ED25519|ED448)
    | GEN_\w+
    | OCSP_(RESPONSE_STATUS|REVOKED_STATUS)_\w+ | OCSP_NO[A-Z]+ | OCSP_TRUSTOTHER | OCSP_RESPID_KEY
    | V_OCSP_CERTSTATUS_\w+ | OPENSSL_EC_\w+ | PKCS5_SALT_LEN | PKCS7_[A-Z]+
    | RSA_(F4|3|\w+_PADDING|PSS_SALTLEN_\w+)
    | SSL_(OP|MODE|VERIFY|SESS_CACHE|ERROR|CB|ST|FILETYPE|SENT|RECEIVED|CTRL_SESS)_\w+
    | (SSL3|TLS1|TLS1_[123]|DTLS1|DTLS1_2)_VERSION
    | TLSEXT_(NAMETYPE|STATUSTYPE)_\w+
    | X509_(V|PURPOSE|CHECK_FLAG|TRUST|L|LU|R)_\w+ | X509v3_KU_\w+ | X509V3_(EXT|ADD)_\w+
    | XN_FLAG_\w+ | XKU_\w+ | KU_\w+ | CRL_REASON_\w+
    """,
    re.VERBOSE,
)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?!\w|\()", re.MULTILINE)
LINE_MARKER = re.compile(r'^#(?:line)?\s+\d+\s+"([^"]+)"', re.MULTILINE)
ALGORITHM = re.compile(r"\bconst\s+(EVP_MD|EVP_CIPHER)\s*\*\s*(EVP_\w+)\s*\(\s*void\s*\)")
# A macro for an algorithm: EVP_aes_128_cfb is EVP_aes_128_cfb128.
ALIAS = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(EVP_\w+)[ \t]+(EVP_\w+)[ \t]*$", re.MULTILINE)
# What an integer macro expands to. Some expand to names that the build does not define.
INTEGER = re.compile(
    r"(?:0[xX][0-9a-fA-F]+[lLuU]*|\d+[lLuU]*|u?int\d+_t|unsigned|long|int|[-+~|&<()\s])+"
)
PROBE = "m2_probe"
# cl prints its version to the standard error, in the user's language.
MSC = "m2_version _MSC_FULL_VER\n"
# Full RELRO, and a stack that is not executable.
HARDENED = "-Wl,-z,relro,-z,now,-z,noexecstack"


class BuildError(Exception):
    """The extension cannot be built; the text is one line with the way out."""


@dataclass(frozen=True)
class OpenSSL:
    """An OpenSSL: its headers, and the arguments that link it."""

    include_dirs: tuple[str, ...]
    link_args: tuple[str, ...]
    static: bool
    origin: str


@dataclass(frozen=True)
class Names:
    """The names in the headers of one OpenSSL: integer macros, and algorithms with their types."""

    version: int
    constants: tuple[str, ...]
    algorithms: tuple[tuple[str, str], ...]

    @property
    def defined(self) -> dict[str, str]:
        """The macros to define for SWIG, so that its #ifdefs agree with the compiler's."""
        missing = [name for name in self.constants if name.startswith("OPENSSL_NO_")]
        return {"OPENSSL_VERSION_NUMBER": f"{self.version:#x}", **dict.fromkeys(missing, "1")}

    @property
    def absent(self) -> list[str]:
        """The OPENSSL_NO_ macros that the headers do not define."""
        return [name for switch in SWITCHES if (name := f"OPENSSL_NO_{switch}") not in self.defined]


def find_openssl(environ: Mapping[str, str]) -> OpenSSL:
    """Return the OpenSSL in OPENSSL_DIR, by default pkg-config's.

    Raises:
        BuildError: there are no headers or libraries.
    """
    directory = environ.get("OPENSSL_DIR")
    return from_prefix(Path(directory)) if directory else from_pkg_config(environ)


def from_prefix(prefix: Path) -> OpenSSL:
    """Return the OpenSSL in `prefix`, with its static libraries if it has them."""
    prefix = prefix.resolve()
    if not (prefix / "include" / "openssl" / "opensslv.h").is_file():
        raise BuildError(
            f"OPENSSL_DIR: {prefix} has no include/openssl/opensslv.h; "
            "set it to the directory that OpenSSL was installed in"
        )
    include_dirs = (str(prefix / "include"),)
    for name in ("lib64", "lib"):
        directory = prefix / name
        archives = [directory / f"{stem}{suffix}" for stem, suffix in _static_names()]
        if all(archive.is_file() for archive in archives):
            system = _static_system_libraries()
            return OpenSSL(include_dirs, (*map(str, archives), *system), True, str(prefix))
        if any(directory.glob("libcrypto.so*")) or any(directory.glob("libcrypto*.dylib")):
            args = (f"-L{directory}", f"-Wl,-rpath,{directory}", "-lssl", "-lcrypto")
            return OpenSSL(include_dirs, args, False, str(prefix))
    raise BuildError(
        f"OPENSSL_DIR: {prefix} has no libssl and libcrypto in lib or lib64; "
        "install the libraries of OpenSSL, too"
    )


def _static_names() -> tuple[tuple[str, str], ...]:
    if sys.platform == "win32":
        return (("libssl", ".lib"), ("libcrypto", ".lib"))
    return (("libssl", ".a"), ("libcrypto", ".a"))


def _static_system_libraries() -> tuple[str, ...]:
    """Return the system's libraries that a static libcrypto needs."""
    if sys.platform == "win32":
        return tuple(f"{name}.lib" for name in ("ws2_32", "gdi32", "advapi32", "crypt32", "user32"))
    return ("-lpthread", "-ldl") if sys.platform.startswith("linux") else ()


def from_pkg_config(environ: Mapping[str, str]) -> OpenSSL:
    """Return pkg-config's OpenSSL, which is the distribution's shared one on most systems."""
    program = environ.get("PKG_CONFIG") or shutil.which("pkg-config")
    way_out = (
        "set OPENSSL_DIR to an OpenSSL prefix (`nox -s openssl -- 3.5` makes one), or install the "
        "headers: apt-get install libssl-dev pkg-config; dnf install openssl-devel; "
        "apk add openssl-dev pkgconf; brew install openssl@3 pkgconf"
    )
    if program is None:
        raise BuildError(
            f"no OpenSSL: OPENSSL_DIR is not set and there is no pkg-config; {way_out}"
        )
    outputs = []
    for option in ("--cflags-only-I", "--libs"):
        done = _run([program, option, "openssl"], "PKG_CONFIG")
        if done.returncode != 0:
            raise BuildError(
                f"no OpenSSL: OPENSSL_DIR is not set and pkg-config has no openssl; {way_out}"
            )
        outputs.append(shlex.split(done.stdout))
    include_dirs = tuple(flag[2:] for flag in outputs[0] if flag.startswith("-I"))
    return OpenSSL(include_dirs, tuple(outputs[1]), False, "pkg-config")


def _run(command: Sequence[str], variable: str) -> subprocess.CompletedProcess[str]:
    """Run a program; `variable` is the environment variable that names it, for the message.

    Raises:
        BuildError: it cannot be started.
    """
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise BuildError(
            f"{command[0]} cannot be run: {error.strerror}; "
            f"install it, or set {variable} to another"
        ) from None


def compiler_command(compiler: Any) -> list[str]:
    """Return the command of setuptools' compiler, with Python's flags.

    Microsoft's, which need not be on PATH, is found when setuptools initializes it.
    """
    if compiler.compiler_type != "msvc":
        return list(compiler.compiler)
    if not compiler.initialized:
        compiler.initialize()
    return [compiler.cc, "/nologo", *(f"-I{each}" for each in type(compiler).include_dirs)]


def is_microsofts(compiler: Sequence[str]) -> bool:
    """Return whether a compiler's command is that of Microsoft's."""
    return Path(compiler[0]).stem.lower() == "cl"


def compiler_version(compiler: Sequence[str], at: Path) -> str:
    """Return the first line of the compiler's version; of Microsoft's, its number.

    Args:
        compiler: the command, with ccache or without.
        at: a directory for a file.
    """
    if is_microsofts(compiler):
        found = re.search(r"m2_version (\d\d)(\d\d)(\d+)", preprocess(compiler, MSC, (), at))
        return "Microsoft C {}.{}.{}".format(*found.groups()) if found else "Microsoft C"
    # With ccache the compiler is the second word.
    program = compiler[:2] if Path(compiler[0]).name == "ccache" else compiler[:1]
    return _run([*program, "--version"], "CC").stdout.partition("\n")[0]


def preprocess(compiler: Sequence[str], source: str, include_dirs: Iterable[str], at: Path) -> str:
    """Return `source` preprocessed; it is written into the directory `at`."""
    path = at / "probe.c"
    path.write_text(source, encoding="ascii")
    flag = "/E" if is_microsofts(compiler) else "-E"
    command = [*compiler, flag, *(f"-I{directory}" for directory in include_dirs), str(path)]
    done = _run(command, "CC")
    if done.returncode != 0:
        line = next((li for li in done.stderr.splitlines() if "error" in li), done.stderr.strip())
        raise BuildError(f"{compiler[0]} cannot preprocess OpenSSL's headers: {line}")
    return done.stdout


def read_names(compiler: Sequence[str], openssl: OpenSSL, at: Path) -> Names:
    """Return the names in the headers of `openssl`.

    The candidates are found in the text of the headers. The preprocessor, which every compiler has,
    then decides which of them this build defines.
    """
    version = _read_version(compiler, openssl, at)
    includes = "#define OPENSSL_NO_DEPRECATED\n" if version >= WITHOUT_DEPRECATED else ""
    includes += "".join(f"#include <openssl/{name}.h>\n" for name in HEADERS)
    text = preprocess(compiler, includes, openssl.include_dirs, at)
    headers = {Path(name) for name in LINE_MARKER.findall(text)}
    sources = [
        header.read_text(encoding="utf-8", errors="replace")
        for header in sorted(headers)
        if header.parent.name == "openssl"
    ]
    candidates = sorted(
        {name for source in sources for name in MACRO.findall(source) if CONSTANTS.fullmatch(name)}
    )
    values = expand(compiler, includes, candidates, openssl, at)
    constants = (
        name
        for name, value in values.items()
        if name.startswith("OPENSSL_NO_") or INTEGER.fullmatch(value)
    )
    algorithms = dict.fromkeys(ALGORITHM.findall(text))
    kinds = {function: kind for kind, function in algorithms}
    for source in sources:
        for alias, function in ALIAS.findall(source):
            if function in kinds:
                algorithms[kinds[function], alias] = None
    return Names(version, tuple(constants), tuple(algorithms))


def expand(
    compiler: Sequence[str], includes: str, names: Iterable[str], openssl: OpenSSL, at: Path
) -> dict[str, str]:
    """Return the values of those macros of `names` that are defined, preprocessed."""
    probes = "".join(f'#ifdef {name}\n{PROBE} "{name}" {name}\n#endif\n' for name in names)
    text = preprocess(compiler, includes + probes, openssl.include_dirs, at)
    # The expansion of a system header's macro has line markers around it.
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    found = re.findall(rf'{PROBE} "(\w+)"(.*?)(?={PROBE}|\Z)', text, re.DOTALL)
    return {name: " ".join(value.split()) for name, value in found}


def _read_version(compiler: Sequence[str], openssl: OpenSSL, at: Path) -> int:
    """Return OPENSSL_VERSION_NUMBER, which expands to shifts and ors of literals."""
    name = "OPENSSL_VERSION_NUMBER"
    value = expand(compiler, "#include <openssl/opensslv.h>\n", [name], openssl, at).get(name, "")
    if not re.fullmatch(r"[0-9a-fA-FxXlLuU()|<\s]+", value):
        raise BuildError(f"{name} in {openssl.origin} is not a number: {value or 'not defined'}")
    plain = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[lLuU]*", r"\1", value)
    version = int(eval(plain, {"__builtins__": {}}))  # noqa: S307  (digits and operators, see above)
    if version < OLDEST_OPENSSL:
        raise BuildError(f"OpenSSL in {openssl.origin} is older than 1.1.1; install a newer one")
    return version


def interface_of(names: Names) -> str:
    """Return the SWIG file that declares a build's constants and algorithms."""
    lines = ["/* Made by ci/extension.py from OpenSSL's headers. */", "%{"]
    lines += [f"#include <openssl/{name}.h>" for name in HEADERS]
    lines.append("%}")
    defined = names.defined
    for name in names.constants:
        if name in defined:
            # SWIG expands this macro, except in quotes.
            lines.append(f'%rename("{name}") m2_{name};')
            lines.append(f"%constant long long m2_{name} = {defined[name]};")
        else:
            lines.append(f"%constant long long {name} = {name};")
    lines.append("%constant const char *OPENSSL_VERSION_TEXT = OPENSSL_VERSION_TEXT;")
    lines += [f"%constant long long {name} = 0;" for name in names.absent]
    for kind, function in names.algorithms:
        # They are OpenSSL's constants, which are not freed.
        lines.append(f"%rename({function[4:].lower()}) {function};")
        lines.append(f"const {kind} *{function}(void);")
    return "\n".join(lines) + "\n"


def swig_command(swig: str, names: Names, generated: Path) -> list[str]:
    """Return SWIG's command that writes `generated`/_m2crypto_wrap.c.

    SWIG's proxy module is not used, because M2Crypto.m2 imports the extension.
    """
    return [
        swig,
        "-python",
        *(f"-D{name}={value}" for name, value in names.defined.items()),
        f"-I{SWIG_DIR}",
        f"-I{generated}",
        "-outdir",
        str(generated),
        "-o",
        str(generated / "_m2crypto_wrap.c"),
        str(INTERFACE),
    ]


def find_swig(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return SWIG's path and version.

    Raises:
        BuildError: it is not installed, or older than 4.4.
    """
    path = environ.get("SWIG") or shutil.which("swig", path=sysconfig.get_path("scripts"))
    path = path or shutil.which("swig")
    if path is None:
        raise BuildError("no SWIG: run `pip install 'swig>=4.4'`")
    text = _run([path, "-version"], "SWIG").stdout
    found = re.search(r"SWIG Version (\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise BuildError(f"SWIG: {path} prints no version; run `pip install 'swig>=4.4'`")
    if (int(found[1]), int(found[2])) < OLDEST_SWIG:
        raise BuildError(
            f"SWIG {'.'.join(found.groups())} is too old; run `pip install 'swig>=4.4'`"
        )
    return path, ".".join(found.groups())


def uses_limited_api() -> bool:
    """Return whether the extension uses the limited API, which free-threaded Pythons lack."""
    return sys.version_info >= LIMITED_API and not sysconfig.get_config_var("Py_GIL_DISABLED")


def defines(names: Names) -> list[tuple[str, str | None]]:
    """Return the macros to define in every compilation."""
    macros: list[tuple[str, str | None]] = []
    if names.version >= WITHOUT_DEPRECATED:
        macros.append(("OPENSSL_NO_DEPRECATED", None))
    if uses_limited_api():
        macros.append(("Py_LIMITED_API", f"0x{LIMITED_API[0]:02x}{LIMITED_API[1]:02x}0000"))
    return macros


def wants_debugging(environ: Mapping[str, str]) -> bool:
    """Return whether CFLAGS requests debugging information, as a distribution's do."""
    levels = re.findall(r"(?:^|\s)-g(\S*)", environ.get("CFLAGS", ""))
    return bool(levels) and levels[-1] != "0"


def compile_args(*, coverage: bool, debugging: bool) -> list[str]:
    """Return the compiler's flags besides Python's."""
    if sys.platform == "win32":
        return ["/we4013"]
    flags = ["-fvisibility=hidden", "-Werror=implicit-function-declaration"]
    if not debugging:
        # Most Pythons were compiled with -g, which setuptools passes on: 6 MB for a user.
        flags.append("-g0")
    if coverage:
        # Threads may lose counts, but not all of a line's, and only whether it ran is reported.
        flags += ["-O0", "--coverage"]
    return flags


def link_args(openssl: OpenSSL, *, coverage: bool, debugging: bool) -> list[str]:
    """Return the linker's flags, which export the module's init function alone.

    Python's `_ssl` loads the system's libcrypto into the process. Without these flags its symbols
    could be bound to the extension's OpenSSL, and the extension's to the system's.
    """
    flags = list(openssl.link_args)
    if coverage:
        flags.append("--coverage")
    # A tenth of a static OpenSSL is never called; it was compiled with a section per function.
    small = not (coverage or debugging)
    if sys.platform == "darwin":
        flags += ["-Wl,-exported_symbol,_PyInit__m2crypto", *["-Wl,-dead_strip"] * small]
    elif sys.platform != "win32":
        flags += ["-Wl,-Bsymbolic", f"-Wl,--version-script={EXPORTS}", HARDENED]
        flags += ["-Wl,--strip-all", "-Wl,--gc-sections"] * small
    return flags


def without_run_path(command: Iterable[str]) -> list[str]:
    """Return the linker's command without the run path that some Pythons add, their own library's.

    An extension that contains OpenSSL needs none, and one that names a directory of the computer
    that built it would search it for libraries.
    """
    return [word for word in command if not word.startswith(("-Wl,-rpath", "-Wl,-R"))]


# Run with LD_BIND_NOW, because `gcc -shared` does not report undefined symbols.
CHECK = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("_m2crypto", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(f"{module.OPENSSL_VERSION_NUMBER:#x} {module.openssl_version_num():#x}")
"""


def check_extension(path: Path, environ: Mapping[str, str], at: Path) -> None:
    """Import the linked extension, and compare the versions of OpenSSL's headers and library.

    An instrumented one writes its counts into the directory `at`.

    Raises:
        BuildError: a symbol is undefined, or the versions differ.
    """
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**environ, "LD_BIND_NOW": "1", "GCOV_PREFIX": str(at), **_preloaded(environ)},
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BuildError(f"the extension was linked but does not import: {last}")
    header, library = (int(number, 16) for number in done.stdout.split())
    if header != library:
        raise BuildError(
            f"OpenSSL's headers are {version_text(header)} but its library is "
            f"{version_text(library)}; set OPENSSL_DIR to a prefix with the headers of its library"
        )


def _preloaded(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that load the libraries of a sanitizer before Python."""
    libraries = environ.get("M2CRYPTO_PRELOAD")
    return {"LD_PRELOAD": libraries, "ASAN_OPTIONS": "detect_leaks=0"} if libraries else {}


def version_text(number: int) -> str:
    """Return the version of an OPENSSL_VERSION_NUMBER, such as 3.5.7 or 1.1.1w."""
    major, minor = number >> 28, number >> 20 & 0xFF
    if major >= 3:
        return f"{major}.{minor}.{number >> 4 & 0xFFFF}"
    letter = number >> 4 & 0xFF
    return f"{major}.{minor}.{number >> 12 & 0xFF}" + (chr(ord("a") + letter - 1) if letter else "")
