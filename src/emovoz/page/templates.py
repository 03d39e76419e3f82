"""The templates of the HTML pages, all filled in by one set of rules."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def templates_of(*folders: str) -> Environment:
    """The templates in folders of emovoz, of the first that has one of a name.

    Labels, recipes, words and paths are the user's text: escaped everywhere, whatever the template's name ends in.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader("emovoz", folder) for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
