"""Records attendance and tells people about it on Telegram, with nothing lost."""
