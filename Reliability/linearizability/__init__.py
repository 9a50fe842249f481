"""Are the answers of three replicas under fault those of one register that is decided once?"""
