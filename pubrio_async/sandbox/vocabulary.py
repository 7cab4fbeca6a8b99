"""The words the made-up world is built of; the reference lists are read from the same words."""

from __future__ import annotations

from typing import NamedTuple


class Country(NamedTuple):
    """A country and the places companies and people are found in."""

    code: str
    name: str
    timezone: str
    places: tuple[tuple[str, str], ...]
    """Pairs of a city and its region."""


class Department(NamedTuple):
    """A department. `slug` is what requests say; rows drop its `master_`."""

    slug: str
    name: str
    function: str
    chief: str
    worker: str


class Vertical(NamedTuple):
    """A line of business with the two levels above it."""

    vertical_id: int
    name: str
    sub_category_id: int
    sub_category: str
    category_id: int
    category: str


class Technology(NamedTuple):
    """A technology that companies use."""

    technology_id: int
    name: str
    category_id: int
    category: str


class Gallery(NamedTuple):
    """A collection of news. Its id depends on the seed and is made elsewhere."""

    slug: str
    name: str


COUNTRIES = (
    Country("US", "United States", "America/New_York",
            (("New York", "New York"), ("San Francisco", "California"), ("Austin", "Texas"))),
    Country("GB", "United Kingdom", "Europe/London",
            (("London", "England"), ("Edinburgh", "Scotland"))),
    Country("DE", "Germany", "Europe/Berlin", (("Berlin", "Berlin"), ("Munich", "Bavaria"))),
    Country("FR", "France", "Europe/Paris", (("Paris", "Ile-de-France"), ("Lyon", "Auvergne"))),
    Country("IN", "India", "Asia/Kolkata", (("Bengaluru", "Karnataka"), ("Pune", "Maharashtra"))),
    Country("SG", "Singapore", "Asia/Singapore", (("Singapore", "Singapore"),)),
    Country("HK", "Hong Kong", "Asia/Hong_Kong", (("Kowloon", "Hong Kong"),)),
    Country("CN", "China", "Asia/Shanghai", (("Shanghai", "Shanghai"), ("Shenzhen", "Guangdong"))),
    Country("JP", "Japan", "Asia/Tokyo", (("Tokyo", "Kanto"), ("Osaka", "Kansai"))),
    Country("CA", "Canada", "America/Toronto", (("Toronto", "Ontario"), ("Montreal", "Quebec"))),
    Country("AU", "Australia", "Australia/Sydney", (("Sydney", "New South Wales"),)),
    Country("BR", "Brazil", "America/Sao_Paulo", (("Sao Paulo", "Sao Paulo"),)),
)  # fmt: skip

DEPARTMENTS = (
    Department("master_engineering", "Engineering", "software_development", "Technology",
               "Engineer"),
    Department("master_sales", "Sales", "account_management", "Revenue", "Account Executive"),
    Department("master_marketing", "Marketing", "demand_generation", "Marketing",
               "Marketing Specialist"),
    Department("master_finance", "Finance", "accounting", "Financial", "Accountant"),
    Department("master_human_resources", "Human Resources", "human_resources", "People",
               "Recruiter"),
    Department("master_operations", "Operations", "supply_chain", "Operating",
               "Operations Analyst"),
    Department("master_product", "Product", "product_management", "Product", "Product Designer"),
    Department("master_legal", "Legal", "compliance", "Legal", "Counsel"),
)  # fmt: skip

# With how many people of a hundred are on each level.
MANAGEMENT_LEVELS = (
    ("founder", "Founder", 3),
    ("c_suite", "C-Suite", 7),
    ("vp", "Vice President", 8),
    ("head", "Head", 7),
    ("director", "Director", 12),
    ("manager", "Manager", 18),
    ("senior", "Senior", 20),
    ("entry", "Entry", 25),
)
LEVEL_OF_PERCENT = tuple(slug for slug, _, share in MANAGEMENT_LEVELS for _ in range(share))

# Lowest and highest number of employees; the last is open.
COMPANY_SIZES = (
    (1, 10), (11, 50), (51, 200), (201, 500), (501, 1000), (1001, 5000), (5001, 10000),
    (10001, None),
)  # fmt: skip

_VERTICAL_TREE = {
    "Technology": {
        "Software Development": ("Developer Tools", "Business Software"),
        "Data and Analytics": ("Data Integration", "Business Intelligence"),
        "Computer Security": ("Identity Management", "Cloud Security"),
    },
    "Finance": {
        "Financial Services": ("Payments", "Lending"),
        "Insurance": ("Health Insurance", "Insurance Software"),
    },
    "Health": {
        "Biotechnology": ("Drug Discovery", "Diagnostics"),
        "Hospitals and Health Care": ("Telemedicine", "Elder Care"),
    },
    "Industry": {
        "Machinery Manufacturing": ("Robotics", "Packaging"),
        "Renewable Energy": ("Solar Power", "Wind Power"),
    },
    "Commerce": {
        "Retail": ("Online Shops", "Groceries"),
        "Transportation and Logistics": ("Freight", "Last Mile Delivery"),
    },
}


def _verticals() -> tuple[Vertical, ...]:
    found: list[Vertical] = []
    sub_id = 0
    for category_id, (category, subs) in enumerate(_VERTICAL_TREE.items(), start=1):
        for sub, names in subs.items():
            sub_id += 1
            found += [
                Vertical(len(found) + number, name, sub_id, sub, category_id, category)
                for number, name in enumerate(names, start=1)
            ]
    return tuple(found)


VERTICALS = _verticals()

_TECHNOLOGY_TREE = {
    "Containers": ("Docker", "Kubernetes", "Podman"),
    "Databases": ("PostgreSQL", "MySQL", "MongoDB", "Redis"),
    "Cloud": ("Amazon Web Services", "Google Cloud", "Microsoft Azure"),
    "Analytics": ("Google Analytics", "Snowflake", "Tableau"),
    "Customer Relations": ("Salesforce", "HubSpot", "Zendesk"),
    "Web": ("React", "Vue.js", "nginx", "WordPress"),
    "Payments": ("Stripe", "PayPal"),
}
TECHNOLOGIES = tuple(
    Technology(number, name, category_id, category)
    for number, (category_id, category, name) in enumerate(
        (
            (category_id, category, name)
            for category_id, (category, names) in enumerate(_TECHNOLOGY_TREE.items(), start=1)
            for name in names
        ),
        start=101,
    )
)

KEYWORDS = ("automation", "artificial intelligence", "b2b", "compliance", "e-commerce", "mobile",
            "open source", "platform", "sustainability", "workflow")  # fmt: skip

# Slug, name, and what a headline says of the company.
NEWS_CATEGORIES = (
    ("launches", "Launches", "launches a new product"),
    ("hires", "Hires", "hires a new executive"),
    ("partners_with", "Partnerships", "announces a partnership"),
    ("receives_financing", "Financing", "receives financing"),
    ("expands_offices_to", "Expansion", "opens another office"),
    ("acquires", "Acquisitions", "acquires a competitor"),
)
NEWS_GALLERIES = (
    Gallery("daily-ledger", "Daily Ledger"),
    Gallery("market-lantern", "Market Lantern"),
    Gallery("tech-harbour", "Tech Harbour"),
)
NEWS_LANGUAGES = (("en", "English"), ("de", "German"), ("fr", "French"), ("ja", "Japanese"))

ADVERTISEMENT_SOURCES = ("linkedin", "facebook", "google")
ADVERTISEMENT_FORMATS = ("Single Image Ad", "Video Ad", "Carousel Ad", "Text Ad")
OFFERS = ("See it work", "Free trial of our platform", "Meet us at the fair", "Save hours a week",
          "Why teams switch", "A guide for beginners")  # fmt: skip

COMPANY_FIRST = ("Amber", "Bright", "Cedar", "Delta", "Ember", "Falcon", "Granite", "Harbor",
                 "Iris", "Juniper", "Keystone", "Lumen", "Maple", "North", "Orchid",
                 "Pioneer")  # fmt: skip
COMPANY_LAST = ("Works", "Labs", "Systems", "Partners", "Foundry", "Loom", "Bridge", "Field",
                "Logic", "Source", "Path", "Craft")  # fmt: skip
