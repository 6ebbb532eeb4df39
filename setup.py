"""What pyproject.toml cannot say: the demo model's files lie in assets/ and travel with it."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["protocore", "protocore.*"]), "protocore.demo.assets"],
    package_dir={"protocore.demo.assets": "assets/demo"},
    package_data={
        "protocore.demo.assets": ["*.safetensors", "*.json", "*.md"],
        "protocore.reports": ["templates/*", "templates/**/*"],
    },
)
