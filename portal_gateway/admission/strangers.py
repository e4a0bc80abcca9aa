"""Domains that say nothing about whose mail or page it is. The large ones; more go into `denied_domains`."""

from __future__ import annotations

# Where anybody gets an address.
FREE_MAIL = frozenset(
    """
    126.com 163.com aim.com aol.com att.net bellsouth.net bigpond.com bluewin.ch btinternet.com centrum.cz
    charter.net comcast.net cox.net daum.net docomo.ne.jp duck.com earthlink.net fastmail.com fastmail.fm
    free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com
    hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com inbox.lv
    inbox.ru interia.pl laposte.net libero.it list.ru live.co.uk live.com live.de live.fr live.nl mac.com
    mail.com mail.de mail.ru mailbox.org me.com msn.com nate.com naver.com o2.pl onet.pl op.pl orange.fr
    outlook.com outlook.de outlook.es outlook.fr outlook.jp pm.me posteo.de proton.me protonmail.com qq.com
    rambler.ru rediffmail.com rocketmail.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com t-online.de
    tiscali.it tutanota.com ukr.net verizon.net virgilio.it virginmedia.com wanadoo.fr web.de windowslive.com
    wp.pl ya.ru yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr
    yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com
    """.split()  # noqa: SIM905
)
# Sites that companies have a page on, none of which says where their mail comes from.
SITES_OF_STRANGERS = frozenset(
    """
    facebook.com github.com github.io google.com instagram.com linkedin.com notion.site twitter.com
    wordpress.com x.com
    """.split()  # noqa: SIM905
)
