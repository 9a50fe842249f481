import Foundation
import TwoPhaseCommit

/// The databases of the examples, from the environment; `./run` sets it to throwaway ones.
public struct Setup: Sendable {
    public let users: Database
    public let orders: Database
    public let configuration: Coordinator.Configuration

    public struct Missing: Error, CustomStringConvertible {
        public let description: String
    }

    /// Reads `USERS_DATABASE`, `ORDERS_DATABASE` and, for a decision log, `STATE_DATABASE`.
    public init() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let users = environment["USERS_DATABASE"], let orders = environment["ORDERS_DATABASE"]
        else { throw Missing(description: "set USERS_DATABASE and ORDERS_DATABASE, or use ./run") }
        self.users = Database("users", at: users)
        self.orders = Database("orders", at: orders)
        var log = LogLocation.logless
        if let state = environment["STATE_DATABASE"] {
            log = .database(LogLocation.StateDatabase(at: state, replica: "examples"))
        }
        configuration = Coordinator.Configuration(databases: [self.users, self.orders], log: log)
    }
}

/// Ends the program with status 1 unless the condition holds: an example that shows something false
/// must not look like a success.
public func require(_ condition: Bool, _ what: String) {
    guard condition else {
        print("NOT AS EXPECTED: \(what)")
        exit(1)
    }
}
