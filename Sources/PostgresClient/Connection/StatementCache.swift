/// The prepared statements of one connection, by SQL text; the one used longest ago goes first.
struct StatementCache {
    private var entries: [String: (name: String, usedAt: Int)] = [:]
    private var clock = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// The statement's name, and whether it has to be prepared first.
    mutating func use(_ sql: String) -> (name: String, isNew: Bool) {
        clock += 1
        if let entry = entries[sql] {
            entries[sql] = (entry.name, clock)
            return (entry.name, false)
        }
        let name = "s\(clock)"
        entries[sql] = (name, clock)
        return (name, true)
    }

    mutating func forget(_ sql: String) { entries[sql] = nil }

    /// Names of statements over the capacity, which are forgotten here.
    mutating func evict() -> [String] {
        guard entries.count > capacity else { return [] }
        let oldest = entries.sorted { $0.value.usedAt < $1.value.usedAt }
            .prefix(entries.count - capacity)
        for (sql, _) in oldest { entries[sql] = nil }
        return oldest.map(\.value.name)
    }
}
