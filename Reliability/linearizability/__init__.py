"""Are the answers of three replicas under fault those of one variable that is decided once?"""
