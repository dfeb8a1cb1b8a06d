"""`kohort synth`: make synthetic learners."""

import click

from pipelines.cli.synth_raw import raw


@click.group()
def synth() -> None:
    """Make synthetic learners: invented, so there is nobody to protect."""


for command in (raw,):
    synth.add_command(command)
