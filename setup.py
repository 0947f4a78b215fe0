"""The extension alone: SWIG, then C, then the linker, which pyproject.toml cannot say.

How each step is run is decided by ci/extension.py. Two variables of the environment are read beside
the compiler's: OPENSSL_DIR, the OpenSSL prefix to build against (else pkg-config is asked), and
M2CRYPTO_COVERAGE, a folder that gets the objects, gcov's notes and the compile commands of an
instrumented build.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ci import extension

BUILD_INFO = '''"""How this extension was built: facts for people and for the tests."""

SWIG_VERSION = {swig!r}
COMPILER = {compiler!r}
FLAGS = {flags!r}
ABI = {abi!r}
LINK = {link!r}
'''


class BuildM2Crypto(build_ext):
    """SWIG → C → link, and an import of what was linked."""

    def build_extension(self, ext: Extension) -> None:
        """Build it, or say in one line why not (setuptools calls this)."""
        try:
            self.build_m2crypto(ext)
        except extension.BuildError as error:
            raise SystemExit(f"error: {error}") from None

    def build_m2crypto(self, ext: Extension) -> None:
        """Run each step, as ci/extension.py says."""
        coverage = os.environ.get("M2CRYPTO_COVERAGE")
        if coverage:
            self.build_temp = coverage
        generated = Path(self.build_temp).resolve()
        generated.mkdir(parents=True, exist_ok=True)
        openssl = extension.find_openssl(os.environ)
        swig, swig_version = extension.find_swig(os.environ)
        names = extension.read_names(self.compiler_command(), openssl, generated)
        (generated / "openssl_names.i").write_text(extension.interface_of(names), encoding="ascii")
        command = extension.swig_command(swig, names, generated)
        if subprocess.run(command, check=False).returncode != 0:
            raise extension.BuildError("SWIG failed; its messages are above")

        flags = extension.compile_args(coverage=bool(coverage))
        objects = self.compile_all(
            [*ext.sources, os.path.relpath(generated / "_m2crypto_wrap.c")],
            macros=extension.defines(names),
            include_dirs=[str(extension.SWIG_DIR / "src"), *openssl.include_dirs],
            flags=flags,
        )
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            objects,
            str(target),
            extra_postargs=extension.link_args(openssl, coverage=bool(coverage)),
            library_dirs=self.library_dirs,
            build_temp=str(generated),
            export_symbols=["PyInit__m2crypto"] if sys.platform == "win32" else None,
        )
        extension.check_extension(target, os.environ, generated / "check")
        info = BUILD_INFO.format(
            swig=swig_version,
            compiler=self.compiler_version(),
            flags=" ".join(flags),
            abi="abi3" if extension.uses_limited_api() else sys.implementation.cache_tag,
            link="static" if openssl.static else "shared",
        )
        path = target.parent / "_build_info.py"
        # What an earlier build left there may be a link to something that others use.
        if path.exists():
            path.unlink()
        path.write_text(info, encoding="utf-8")

    def compiler_command(self) -> list[str]:
        """The C compiler as it is called, Python's flags included; `cl` for Microsoft's."""
        command = getattr(self.compiler, "compiler", None)
        return list(command) if command else ["cl", "/nologo"]

    def compiler_version(self) -> str:
        """Say who compiles, in the first line that it says itself."""
        if sys.platform == "win32":
            return "cl"
        command = self.compiler_command()
        # Under ccache the compiler is the second word.
        program = command[:2] if Path(command[0]).name == "ccache" else command[:1]
        done = subprocess.run([*program, "--version"], capture_output=True, text=True, check=False)
        return done.stdout.partition("\n")[0]

    def compile_all(
        self,
        sources: list[str],
        macros: list[tuple[str, str | None]],
        include_dirs: list[str],
        flags: list[str],
    ) -> list[str]:
        """Compile side by side, and write down how, for those who want to preprocess again."""
        folders = [*include_dirs, *self.compiler.include_dirs]

        def compile_one(source: str) -> list[str]:
            return self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                macros=macros,
                include_dirs=include_dirs,
                extra_postargs=flags,
                depends=[],
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [name for names in pool.map(compile_one, reversed(sources)) for name in names]
        preprocessor = [f"-D{name}" + (f"={value}" if value else "") for name, value in macros]
        preprocessor += [f"-I{folder}" for folder in folders]
        command = self.compiler_command()
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


setup(
    ext_modules=[
        Extension(
            "M2Crypto._m2crypto",
            sorted(str(path) for path in Path("SWIG", "src").glob("*.c")),
            py_limited_api=extension.uses_limited_api(),
        )
    ],
    cmdclass={"build_ext": BuildM2Crypto},
    options=(
        {"bdist_wheel": {"py_limited_api": "cp{}{}".format(*extension.LIMITED_API)}}
        if extension.uses_limited_api()
        else {}
    ),
)
