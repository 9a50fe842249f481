import Foundation
import Setup
import TwoPhaseCommit

/// A user in one database and an order in another: both or none.
@main
struct Basic {
    static func main() async throws {
        let setup = try Setup()
        try await Coordinator.with(setup.configuration) { coordinator in
            let userID = UUID()
            let orderID = UUID()
            let users = Participant(setup.users) { tx in
                try await tx.execute(
                    "INSERT INTO users (id, name) VALUES ($1, $2)", userID, "John Doe")
            }
            let orders = Participant(setup.orders) { tx in
                try await tx.execute(
                    "INSERT INTO orders (id, user_id, amount) VALUES ($1, $2, $3)", orderID,
                    userID, 100)
            }
            let outcome = try await coordinator.run([users, orders])
            print("committed in both databases: transaction \(outcome.id)")

            // Another user, with an order that exists: the user must not be inserted either.
            let anotherID = UUID()
            let another = Participant(setup.users) { tx in
                try await tx.execute(
                    "INSERT INTO users (id, name) VALUES ($1, $2)", anotherID, "Jane Doe")
            }
            do {
                _ = try await coordinator.run([another, orders])
                require(false, "the order exists")
            } catch TransactionError.aborted(let aborted) {
                print("aborted, as it has to be: \(aborted.cause)")
            }

            let counting = Participant(setup.users) { tx in
                try await tx.query(
                    "SELECT id, name FROM users WHERE id IN ($1, $2)", userID, anotherID,
                    as: (UUID, String).self)
            }
            let found = try await coordinator.run([counting]).value[0]
            require(found.count == 1 && found[0] == (userID, "John Doe"), "one of the two users")
            print("in the database: \(found[0].1), and no second user")
        }
    }
}
