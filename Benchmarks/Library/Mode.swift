/// One way to run the transactions: what it is called, and how it is measured.
struct Mode: Sendable {
    /// Whom the figures are held against: the better of the naive ones.
    enum Kind: Sendable {
        case naive
        case library
        /// The bare client in C, which shows what the same commands cost at the least.
        case bare
    }

    let name: String
    let kind: Kind
    /// Measures once; the number is that of the first transaction, each of which gets its own.
    let measure: @Sendable (Int) async throws -> Sample
}

/// What one measurement has found.
struct Sample: Sendable {
    /// Transactions a second.
    let rate: Double
    /// Microseconds of processor time a transaction: the program's own, and all servers'.
    let programCost: Double
    let serverCost: Double
    /// How many of the numbers were used.
    let used: Int
}

extension Mode {
    /// Runs transactions of this process, so many in flight.
    init(
        _ name: String, _ kind: Kind, _ servers: Servers, _ load: Load,
        _ transaction: @escaping @Sendable (Int) async throws -> Void
    ) {
        self.init(name: name, kind: kind) { first in
            let before = await ProcessorTime.now(servers)
            let count = try await load.run(from: first, transaction)
            let spent = await ProcessorTime.now(servers) - before
            let used = Double(max(1, count.used))
            return Sample(
                rate: count.perSecond, programCost: Double(spent.program) / used,
                serverCost: Double(spent.servers) / used, used: count.used)
        }
    }
}
