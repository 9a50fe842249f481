import TwoPhaseCommit

/// A program that tests end in the middle of its transaction: `Victim USERS ORDERS [STATE REPLICA]`.
///
/// The order is prepared at once. The user's branch works until there is a table `go` in its
/// database; then the transaction goes on to its decision. The program never ends by itself.
@main
struct Victim {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let users = Database("users", at: arguments[1])
        let orders = Database("orders", at: arguments[2])
        var log = LogLocation.logless
        if arguments.count > 4 {
            log = .database(LogLocation.StateDatabase(at: arguments[3], replica: arguments[4]))
        }
        var configuration = Coordinator.Configuration(databases: [users, orders], log: log)
        configuration.allowsFsyncOff = true
        configuration.timeout = .seconds(600)
        let coordinator = Coordinator(configuration)
        _ = try? await coordinator.run(
            Participant(users) { tx in
                try await tx.execute("INSERT INTO users (id, name) VALUES ('victim', 'v')")
                let look = "SELECT count(*) FROM pg_class WHERE relname = 'go'"
                while try await tx.query(look, as: Int.self) == [0] {
                    try await Task.sleep(for: .milliseconds(20))
                }
            },
            Participant(orders) { tx in
                try await tx.execute("INSERT INTO orders (id, user_id) VALUES ('victim', 'v')")
            })
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
