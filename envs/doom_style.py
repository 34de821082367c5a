"""What generated mazes are made of: Freedoom wall and floor textures by theme, and named things.

Tables only. Every texture exists in the `freedoom2.wad` that comes with ViZDoom (a test compares).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Textures that go together: a maze takes one main wall and one or two accents of one theme."""

    walls: tuple[str, ...]
    accents: tuple[str, ...]
    floors: tuple[str, ...]
    ceilings: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A sort of thing: its class name in the engine and the words a sentence uses for it."""

    number: int
    engine_name: str
    name: str
    colour: str
    pickup: bool = False

    @property
    def words(self) -> str:
        """The words for it, colour first, such as ``"green torch"``."""
        return f"{self.colour} {self.name}".strip()


def _theme(walls: str, accents: str, floors: str, ceilings: str) -> Theme:
    return Theme(*(tuple(text.split()) for text in (walls, accents, floors, ceilings)))


SKY = "F_SKY1"
THEMES = (
    _theme(
        "STONE2 STONE3 BIGBRIK2 ROCK1",
        "STONE5 GRAYVINE ZZWOLF1 MARBGRAY",
        "FLAT5_7 RROCK13 MFLR8_1 SLIME15 FLAT19",
        "CEIL5_1 FLAT5_8 MFLR8_4 FLAT18",
    ),
    _theme(
        "BRICK7 BRICK9 BRICK8 BRICK6 BIGBRIK1",
        "BRICKLIT BSTONE1 PANEL4 WOOD10 PANBOOK",
        "FLAT5_5 FLOOR5_4 FLAT8 RROCK14 FLOOR4_6",
        "CEIL5_2 CEIL1_1 RROCK09 FLAT5_4",
    ),
    _theme(
        "BRICK11 ZZWOLF11 SP_HOT1",
        "BRICK12 PANRED ZZWOLF13 CRACKLE2 ZZWOLF12",
        "FLAT5_3 FLOOR6_1 RROCK14 FLAT10 FLAT5_4",
        "RROCK03 CEIL5_1 SLIME14 FLAT10",
    ),
    _theme(
        "MARBLE1 MARBLE2 MARBLE3 GSTONE1",
        "GSTVINE1 MARBFACE GSTLION GSTSATYR MARBFAC2",
        "DEM1_5 DEM1_6 FLOOR7_2 GRNROCK RROCK20",
        "RROCK13 CEIL5_3 FLOOR7_2 SLIME13",
    ),
    _theme(
        "GRAY1 STARGR1 ICKWALL1 GRAYBIG CEMENT6",
        "COMPSTA1 COMPUTE1 GRAYTALL SILVER2 CEMENT8 GRAYDANG",
        "FLOOR0_6 FLAT20 FLAT3 FLOOR0_3 FLAT9 AQF051",
        "FLAT19 FLAT18 FLAT23 CEIL3_5",
    ),
    _theme(
        "SHAWN2 SUPPORT2 METAL1 METAL2",
        "COMPTALL METAL7 PIPES SILVER3 ZDOORB1",
        "STEP1 FLAT4 SLIME15 AQF017 AQF055",
        "CEIL5_1 FLAT23 AQF028 FCGRATE2",
    ),
    _theme(
        "STARTAN2 STARTAN1 STARG1 STARG3 STARBR2",
        "COMPSTA2 LITE2 STARG2 TEKBRON2",
        "FLOOR4_8 FLOOR5_1 FLAT5 FLOOR3_3 FLOOR5_2",
        "CEIL3_5 FLAT1 FLOOR0_1 CEIL3_2",
    ),
    _theme(
        "WOOD1 WOOD5 WOOD12 WOOD9 ZZWOLF5",
        "WOODGARG PANBLACK PANBLUE PANBOOK WOODMET2",
        "FLAT5_1 FLAT5_2 CEIL1_1 FLOOR0_2 FLAT8",
        "CEIL1_1 FLAT5_2 CEIL3_1 CEIL5_2",
    ),
    _theme(
        "ROCK4 ROCK5 TANROCK2 TANROCK8 STONE6 ZIMMER5",
        "STONE7 BROVINE TANROCK5 BSTONE2 ZIMMER7",
        "RROCK16 RROCK17 RROCK18 RROCK19 MFLR8_2 RROCK11",
        "RROCK09 RROCK10 RROCK04 FLAT10 MFLR8_3 F_SKY1",
    ),
    _theme(
        "TEKGREN2 SLADWALL TEKWALL2",
        "TEKGREN5 TEKGREN1 TEKGREN3 SLADPOIS COMPUTE3",
        "FLAT1_2 SLIME14 FLOOR7_1 AQF029",
        "CEIL5_3 FLOOR7_1 SLIME13",
    ),
    _theme(
        "ZZWOLF1 SP_ROCK1 STONE4",
        "ZZWOLF3 STONE5 GRAYVINE MARBGRAY",
        "MFLR8_3 FLAT5_4 FLAT1 FLAT5_7",
        "FLAT18 MFLR8_4 F_SKY1",
    ),
    _theme(
        "ZZWOLF9",
        "ZZWOLF12 COMPOHSO SILVER2 PANBLUE",
        "FLAT14 FLAT20 FLAT19 FLOOR0_6",
        "CEIL4_3 FLAT1 CEIL5_1",
    ),
    _theme(
        "DOGRMSC ZIMMER2 ZIMMER1 BROWNGRN",
        "ZIMMER7 BROVINE2 MARBFAC3 BSTONE2",
        "GRASS1 GRASS2 FLOOR7_2 AQF022",
        "RROCK20 RROCK19 CEIL5_3 F_SKY1",
    ),
    _theme(
        "BIGWALL LONGWALL DOGLDIR",
        "MURAL1 MURAL2 SKSNAKE1 BIGMURAL",
        "AQF047 FLOOR5_2 FLAT5 AQF048",
        "CEIL3_1 FLOOR0_2 AQF048 F_SKY1",
    ),
)

SPHERE = Kind(2013, "Soulsphere", "sphere", "blue", pickup=True)
SCENERY = (
    Kind(46, "RedTorch", "torch", "red"),
    Kind(45, "GreenTorch", "torch", "green"),
    Kind(44, "BlueTorch", "torch", "blue"),
    Kind(57, "ShortRedTorch", "torch", "red"),
    Kind(56, "ShortGreenTorch", "torch", "green"),
    Kind(55, "ShortBlueTorch", "torch", "blue"),
    Kind(2035, "ExplosiveBarrel", "barrel", ""),
    Kind(30, "TallGreenColumn", "column", "green"),
    Kind(31, "ShortGreenColumn", "column", "green"),
    Kind(32, "TallRedColumn", "column", "red"),
    Kind(33, "ShortRedColumn", "column", "red"),
    Kind(2028, "Column", "lamp", ""),
    Kind(85, "TechLamp", "lamp", ""),
    Kind(86, "TechLamp2", "lamp", ""),
    Kind(35, "Candelabra", "candelabra", ""),
)
PICKUPS = (
    Kind(5, "BlueCard", "key", "blue", pickup=True),
    Kind(6, "YellowCard", "key", "yellow", pickup=True),
    Kind(13, "RedCard", "key", "red", pickup=True),
    Kind(2018, "GreenArmor", "armour", "green", pickup=True),
    Kind(2019, "BlueArmor", "armour", "blue", pickup=True),
)
NAMED = {kind.engine_name: kind for kind in (SPHERE, *SCENERY, *PICKUPS)}
# What stands about in tasks only.
TASK_THINGS = (
    Kind(2012, "Medikit", "medikit", "", pickup=True),
    Kind(3001, "DoomImp", "imp", ""),
    Kind(0, "DoomImpBall", "fireball", ""),
    Kind(3004, "Zombieman", "zombie", ""),
    Kind(9, "ShotgunGuy", "zombie", ""),
    Kind(65, "ChaingunGuy", "zombie", ""),
)
NAMED_IN_TASKS = NAMED | {kind.engine_name: kind for kind in TASK_THINGS}
