"""The settings, and what every process needs before it does anything else.

`settings` is read once from the environment and typed; `environment` reads single variables and
says in one sentence what is wrong with one; `rates` and `proxies` read what their names say;
`secrets` strikes secrets out of every text; `terminal` keeps from terminals what steers them;
`typos` finds variables that were meant as settings; `logs` configures logging; `capacity` says how
much a process does at the same time; `version` says which version this is. Imports nothing of
ours.
"""

from attendance.config.environment import ConfigError
from attendance.config.proxies import TrustedProxies
from attendance.config.rates import RateSetting
from attendance.config.settings import Settings, Timeout, chat_id, zone

__all__ = ["ConfigError", "RateSetting", "Settings", "Timeout", "TrustedProxies", "chat_id", "zone"]
