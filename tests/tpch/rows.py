"""rows.py -- the eight tables of TPC-H, small and seeded: keys, ranges and dependences as its specification has them (4.2.3).

tables(scale, seed) -> {name: [row]}, a row a tuple in the order of COLUMNS; decimals are Decimal, dates datetime.date.
Texts are shorter than the specification's, from a few words, among them those that queries look for.
"""
from datetime import date, timedelta
from decimal import Decimal
import random

COLUMNS = {
    "region": "r_regionkey integer, r_name text, r_comment text",
    "nation": "n_nationkey integer, n_name text, n_regionkey integer, n_comment text",
    "supplier": "s_suppkey integer, s_name text, s_address text, s_nationkey integer, s_phone text, s_acctbal numeric(15,2), s_comment text",
    "part": "p_partkey integer, p_name text, p_mfgr text, p_brand text, p_type text, p_size integer, p_container text, "
            "p_retailprice numeric(15,2), p_comment text",
    "partsupp": "ps_partkey integer, ps_suppkey integer, ps_availqty integer, ps_supplycost numeric(15,2), ps_comment text",
    "customer": "c_custkey integer, c_name text, c_address text, c_nationkey integer, c_phone text, c_acctbal numeric(15,2), "
                "c_mktsegment text, c_comment text",
    "orders": "o_orderkey bigint, o_custkey integer, o_orderstatus text, o_totalprice numeric(15,2), o_orderdate date, "
              "o_orderpriority text, o_clerk text, o_shippriority integer, o_comment text",
    "lineitem": "l_orderkey bigint, l_partkey integer, l_suppkey integer, l_linenumber integer, l_quantity numeric(15,2), "
                "l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text, "
                "l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text",
}
KEYS = {"region": ["r_regionkey"], "nation": ["n_nationkey"], "supplier": ["s_suppkey"], "part": ["p_partkey"],
        "partsupp": ["ps_partkey", "ps_suppkey"], "customer": ["c_custkey"], "orders": ["o_orderkey"],
        "lineitem": ["l_orderkey", "l_linenumber"]}
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3),
           ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0),
           ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3),
           ("UNITED KINGDOM", 3), ("UNITED STATES", 1)]
COLOURS = "almond antique azure beige black blue blush brown burlywood chiffon chocolate coral cream cyan dark dim drab forest frosted " \
          "ghost goldenrod green grey honeydew indian ivory khaki lace lavender lemon lime linen magenta maroon medium metallic".split()
TYPES = ("STANDARD SMALL MEDIUM LARGE ECONOMY PROMO".split(), "ANODIZED BURNISHED PLATED POLISHED BRUSHED".split(), "TIN NICKEL BRASS STEEL COPPER".split())
CONTAINERS = ("SM LG MED JUMBO WRAP".split(), "CASE BOX BAG JAR PKG PACK CAN DRUM".split())
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
WORDS = "quick pending final special express regular ironic bold requests deposits accounts packages theodolites foxes ideas".split()
START, LAST, TODAY = date(1992, 1, 1), date(1998, 8, 2), date(1995, 6, 17)


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def words(self, n):
        return " ".join(self.r.choice(WORDS) for _ in range(self.r.randrange(2, n)))

    def cents(self, low, high):
        return Decimal(self.r.randrange(low, high + 1)).scaleb(-2)

    def phone(self, nation):
        r = self.r.randrange
        return "%d-%03d-%03d-%04d" % (nation + 10, r(100, 1000), r(100, 1000), r(1000, 10000))

    def address(self):
        return "".join(self.r.choice("abcdefghijklmnop ,0123456789") for _ in range(self.r.randrange(10, 25)))

    def supplier(self, k):
        nation = self.r.randrange(25)
        told = {3: "Customer slow Complaints", 4: "Customer fine Recommends"}.get(k % 50)
        return (k, "Supplier#%09d" % k, self.address(), nation, self.phone(nation), self.cents(-99999, 999999), told or self.words(6))

    def part(self, k):
        m = self.r.randrange(1, 6)
        return (k, " ".join(self.r.sample(COLOURS, 5)), "Manufacturer#%d" % m, "Brand#%d%d" % (m, self.r.randrange(1, 6)),
                " ".join(map(self.r.choice, TYPES)), self.r.randrange(1, 51), " ".join(map(self.r.choice, CONTAINERS)), price(k), self.words(4))

    def customer(self, k):
        nation = self.r.randrange(25)
        return (k, "Customer#%09d" % k, self.address(), nation, self.phone(nation), self.cents(-99999, 999999),
                self.r.choice(SEGMENTS), self.words(8))

    def order(self, number, customers, parts, suppliers):
        """An order and its lines."""
        r = self.r
        key = number // 8 * 32 + number % 8 + 1
        day = START + timedelta(r.randrange((LAST - START).days + 1))
        lines, total = [], Decimal(0)
        for n in range(1, r.randrange(1, 8) + 1):
            part, quantity = r.randrange(1, parts + 1), r.randrange(1, 51)
            cost, discount, tax = quantity * price(part), self.cents(0, 10), self.cents(0, 8)
            ship = day + timedelta(r.randrange(1, 122))
            receipt = ship + timedelta(r.randrange(1, 31))
            lines.append((key, part, supplier_of(part, r.randrange(4), suppliers), n, Decimal(quantity).quantize(Decimal("0.01")), cost, discount, tax,
                          r.choice("RA") if receipt <= TODAY else "N", "O" if ship > TODAY else "F", ship, day + timedelta(r.randrange(30, 91)),
                          receipt, r.choice(INSTRUCTIONS), r.choice(MODES), self.words(4)))
            total += cost * (1 + tax) * (1 - discount)
        states = {line[9] for line in lines}
        buyer = r.randrange(1, customers + 1)
        while buyer % 3 == 0:
            buyer = r.randrange(1, customers + 1)
        return (key, buyer, states.pop() if len(states) == 1 else "P", total.quantize(Decimal("0.01")), day, r.choice(PRIORITIES),
                "Clerk#%09d" % r.randrange(1, 11), 0, self.words(8)), lines


def price(part):
    return Decimal(90000 + part // 10 % 20001 + 100 * (part % 1000)).scaleb(-2)


def supplier_of(part, i, suppliers):
    return (part + i * (suppliers // 4 + (part - 1) // suppliers)) % suppliers + 1


def tables(scale, seed):
    m = Maker(seed)
    suppliers, parts, customers = (max(4, int(n * scale)) for n in (10000, 200000, 150000))
    out = {"region": [(i, n, m.words(4)) for i, n in enumerate(REGIONS)],
           "nation": [(i, n, r, m.words(4)) for i, (n, r) in enumerate(NATIONS)],
           "supplier": [m.supplier(k) for k in range(1, suppliers + 1)],
           "part": [m.part(k) for k in range(1, parts + 1)],
           "partsupp": [(k, supplier_of(k, i, suppliers), m.r.randrange(1, 10000), m.cents(100, 100000), m.words(4))
                        for k in range(1, parts + 1) for i in range(4)],
           "customer": [m.customer(k) for k in range(1, customers + 1)], "orders": [], "lineitem": []}
    for n in range(customers * 10):
        order, lines = m.order(n, customers, parts, suppliers)
        out["orders"].append(order)
        out["lineitem"] += lines
    return out
