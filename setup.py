"""Build the extension: SWIG, the compiler and the linker, which pyproject.toml cannot describe.

ci/extension.py provides the arguments of each step. Besides the compiler's, three variables are
read: OPENSSL_DIR, the OpenSSL prefix to link (pkg-config's by default), and M2CRYPTO_COVERAGE, the
directory for the objects, gcov's notes and the compile commands of an instrumented build. The
libraries in M2CRYPTO_PRELOAD are loaded first when the extension is imported to check it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.egg_info import egg_info

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ci import extension, sbom

BUILD_INFO = '''"""How this extension was built; the tests record it."""

SWIG_VERSION = {swig!r}
COMPILER = {compiler!r}
FLAGS = {flags!r}
ABI = {abi!r}
LINK = {link!r}
# The version of OpenSSL's headers.
HEADER = {header!r}
'''


class BuildM2Crypto(build_ext):
    """Run SWIG, compile, link, and import the result."""

    def build_extension(self, ext: Extension) -> None:
        """Build the extension, or exit with one line (setuptools calls this)."""
        try:
            self.build_m2crypto(ext)
        except extension.BuildError as error:
            raise SystemExit(f"error: {error}") from None

    def build_m2crypto(self, ext: Extension) -> None:
        """Run each step with the arguments of ci/extension.py."""
        coverage = os.environ.get("M2CRYPTO_COVERAGE")
        if coverage:
            self.build_temp = coverage
        generated = Path(self.build_temp).resolve()
        generated.mkdir(parents=True, exist_ok=True)
        openssl = extension.find_openssl(os.environ)
        swig, swig_version = extension.find_swig(os.environ)
        compiler = extension.compiler_command(self.compiler)
        names = extension.read_names(compiler, openssl, generated)
        (generated / "openssl_names.i").write_text(extension.interface_of(names), encoding="ascii")
        command = extension.swig_command(swig, names, generated)
        if subprocess.run(command, check=False).returncode != 0:
            raise extension.BuildError("SWIG failed; its messages are above")

        debugging = extension.wants_debugging(os.environ)
        flags = extension.compile_args(coverage=bool(coverage), debugging=debugging)
        objects = self.compile_all(
            [*map(str, ext.sources), os.path.relpath(generated / "_m2crypto_wrap.c")],
            macros=extension.defines(names),
            include_dirs=[str(extension.SWIG_DIR / "src"), *openssl.include_dirs],
            flags=flags,
        )
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        if openssl.static and hasattr(self.compiler, "linker_so"):
            self.compiler.linker_so = extension.without_run_path(self.compiler.linker_so)
        self.compiler.link_shared_object(
            objects,
            str(target),
            extra_postargs=extension.link_args(
                openssl, coverage=bool(coverage), debugging=debugging
            ),
            library_dirs=self.library_dirs,
            build_temp=str(generated),
            export_symbols=["PyInit__m2crypto"] if sys.platform == "win32" else None,
        )
        extension.check_extension(target, os.environ, generated / "check")
        info = BUILD_INFO.format(
            swig=swig_version,
            compiler=extension.compiler_version(compiler, generated),
            # setuptools passes CFLAGS to Unix compilers alone.
            flags=" ".join([*os.environ.get("CFLAGS", "").split() * (os.name != "nt"), *flags]),
            abi="abi3" if extension.uses_limited_api() else sys.implementation.cache_tag,
            link="static" if openssl.static else "shared",
            header=extension.version_text(names.version),
        )
        path = target.parent / "_build_info.py"
        # An earlier build's file may be a hard link.
        if path.exists():
            path.unlink()
        path.write_text(info, encoding="utf-8")

    def compile_all(
        self,
        sources: list[str],
        macros: list[tuple[str, str | None]],
        include_dirs: list[str],
        flags: list[str],
    ) -> list[str]:
        """Compile in parallel, and write compile_commands.json; return the objects."""
        folders = [*include_dirs, *self.compiler.include_dirs]

        def compile_one(source: str) -> list[str]:
            objects: list[str] = self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                macros=macros,
                include_dirs=include_dirs,
                extra_postargs=flags,
                depends=[],
            )
            return objects

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [name for names in pool.map(compile_one, reversed(sources)) for name in names]
        preprocessor = [f"-D{name}" + (f"={value}" if value else "") for name, value in macros]
        preprocessor += [f"-I{folder}" for folder in folders]
        command = extension.compiler_command(self.compiler)
        commands = [
            {
                "directory": str(Path.cwd()),
                "file": source,
                "command": shlex.join([*command, *preprocessor, *flags, "-c", source]),
                "output": target,
            }
            for source, target in zip(reversed(sources), objects)
        ]
        path = Path(self.build_temp) / "compile_commands.json"
        path.write_text(json.dumps(commands, indent=1), encoding="utf-8")
        return objects


class WheelM2Crypto(bdist_wheel):
    """Add what a statically linked OpenSSL brings into a wheel: its licence, and an SBOM."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        """Write the .dist-info directory (setuptools calls this, for the metadata alone, too)."""
        super().egg2dist(egginfo_path, distinfo_path)
        name, version = self.distribution.get_name(), self.distribution.get_version()
        try:
            openssl = extension.find_openssl(os.environ)
        except extension.BuildError:
            # The metadata alone can be had without OpenSSL; build_ext reports that it is missing.
            return
        try:
            sbom.write(Path(distinfo_path), name, version, openssl)
        except extension.BuildError as error:
            raise SystemExit(f"error: {error}") from None


class MetadataM2Crypto(egg_info):
    """Declare the licence as dynamic: that of a wheel covers the OpenSSL in it (PEP 639)."""

    def finalize_options(self) -> None:
        """Replace setuptools' marked string, which stands for pyproject.toml's own value."""
        super().finalize_options()
        metadata: Any = self.distribution.metadata
        metadata.license_expression = str(metadata.license_expression)


setup(
    ext_modules=[
        Extension(
            "M2Crypto._m2crypto",
            sorted(str(path) for path in Path("SWIG", "src").glob("*.c")),
            py_limited_api=extension.uses_limited_api(),
        )
    ],
    cmdclass={
        "bdist_wheel": WheelM2Crypto,
        "build_ext": BuildM2Crypto,
        "egg_info": MetadataM2Crypto,
    },
    options=(
        {"bdist_wheel": {"py_limited_api": "cp{}{}".format(*extension.LIMITED_API)}}
        if extension.uses_limited_api()
        else {}
    ),
)
