/// One way to run the transactions.
struct Mode: Sendable {
    /// The library is compared with the better naive mode.
    enum Kind: Sendable {
        case naive
        case library
        /// The bare client in C, which shows the minimal cost of the same commands.
        case bare
    }

    let name: String
    let kind: Kind
    /// Measures once; the argument is the number of the first transaction.
    let measure: @Sendable (Int) async throws -> Sample
}

/// The result of one measurement.
struct Sample: Sendable {
    /// Transactions per second.
    let rate: Double
    /// Microseconds of processor time per transaction, of the program and of all servers.
    let programCost: Double
    let serverCost: Double
    /// The number of transactions.
    let used: Int
}

extension Mode {
    /// A mode that runs transactions in this process.
    init(
        _ name: String, _ kind: Kind, on servers: Servers, load: Load,
        transaction: @escaping @Sendable (Int) async throws -> Void
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
