"""The names in the sample table, in both languages, and which part of the sample rows may use each.

Every name belongs to one pool: `train` names may occur anywhere, `dev` names only in the development rows,
`held` names only in the held-out rows. So a held-out *values* row holds nothing that training has shown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """One value of a text column. `zh_full` is how formal Chinese writes a province (江苏省); else equal to `zh`."""

    column: str
    en: str
    zh: str
    pool: str
    zh_full: str
    region: str = ""  # English name of the region a province lies in; empty for other columns

    def spelled(self, language: str) -> str:
        """Return the name as the table of this language spells it."""
        return self.en if language == "en" else self.zh


_REGIONS = """
train North China 华北; dev Northwest China 西北; train East China 华东; train Central China 华中
train South China 华南; held Southwest China 西南; held Northeast China 东北
"""

_PROVINCES = """
North China: train Beijing 北京市; dev Tianjin 天津市; train Hebei 河北省; held Shanxi 山西省
North China: held Inner Mongolia 内蒙古自治区
Northeast China: train Liaoning 辽宁省; dev Jilin 吉林省; held Heilongjiang 黑龙江省
East China: train Shanghai 上海市; train Jiangsu 江苏省; train Zhejiang 浙江省; held Anhui 安徽省; held Fujian 福建省
East China: dev Jiangxi 江西省; train Shandong 山东省
Central China: held Henan 河南省; train Hubei 湖北省; dev Hunan 湖南省
South China: train Guangdong 广东省; train Guangxi 广西壮族自治区; dev Hainan 海南省
Southwest China: held Chongqing 重庆市; train Sichuan 四川省; held Guizhou 贵州省
Southwest China: train Yunnan 云南省; held Tibet 西藏自治区
Northwest China: train Shaanxi 陕西省; held Gansu 甘肃省; held Qinghai 青海省; held Ningxia 宁夏回族自治区
Northwest China: dev Xinjiang 新疆维吾尔自治区
"""

_CATEGORIES = """
train Phones 手机; train Clothing 服装; train Furniture 家具; train Groceries 食品; train Toys 玩具; train Books 图书
train Cosmetics 化妆品; train Office Supplies 办公用品; train Baby Care 母婴用品
dev Jewelry 珠宝首饰; dev Garden Tools 园艺工具
held Laptops 笔记本电脑; held Home Appliances 家电; held Kitchenware 厨具
held Sports Gear 运动器材; held Pet Supplies 宠物用品
"""

_SALESPEOPLE = """
train Alice Chen 陈静; train Brian Zhou 周涛; train Grace Liu 刘洋; train Kevin Wang 王芳; train Linda Zhao 赵磊
train Tony Sun 孙婷; train Wendy Zhang 张伟; train Leo Li 李强; dev Nina Xu 徐杰; dev Oscar Hu 胡丹
dev Jason Lin 林峰; dev Vivian Wu 吴敏; held Cindy He 何雪梅; held Derek Guo 郭建国; held Emma Luo 罗晓燕
held Frank Deng 邓超; held Helen Cao 曹颖; held Ivan Peng 彭勇; held Rachel Gao 高翔; held Sam Jiang 蒋文丽
"""

_SUFFIXES = ("壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市")


def _short(full: str) -> str:
    for suffix in _SUFFIXES:
        if full.endswith(suffix):
            return full.removesuffix(suffix)
    return full


def _parse(column: str, text: str) -> tuple[Name, ...]:
    names = []
    for line in text.strip().splitlines():
        region, _, rest = line.rpartition(": ")
        for entry in rest.split(";"):
            pool, *english, chinese = entry.split()
            short = _short(chinese) if column == "province" else chinese
            names.append(Name(column, " ".join(english), short, pool, chinese, region))
    return tuple(names)


REGIONS = _parse("region", _REGIONS)
PROVINCES = _parse("province", _PROVINCES)
CATEGORIES = _parse("category", _CATEGORIES)
SALESPEOPLE = _parse("salesperson", _SALESPEOPLE)
