import Foundation
import Setup
import TwoPhaseCommit

/// A transaction holds a row for five seconds; another, with a deadline of two, wants it.
@main
struct Concurrency2 {
    static func main() async throws {
        let setup = try Setup()
        try await Coordinator.with(setup.configuration) { coordinator in
            let id = UUID()
            _ = try await coordinator.run([
                Participant(setup.users) { tx in
                    try await tx.execute("INSERT INTO users (id, name) VALUES ($1, $2)", id, "John")
                },
                Participant(setup.orders) { tx in
                    try await tx.execute(
                        "INSERT INTO orders (id, user_id, amount) VALUES ($1, $1, $2)", id, 100)
                },
            ])
            let (isHeld, held) = AsyncStream<Void>.makeStream()
            let holder = Participant(setup.users) { tx in
                try await tx.execute("UPDATE users SET name = $1 WHERE id = $2", "holder", id)
                held.finish()
                try await Task.sleep(for: .seconds(5))
            }
            let holding = Task { try await coordinator.run([holder]) }
            for await _ in isHeld {}

            let users = Participant(setup.users) { tx in
                try await tx.execute("UPDATE users SET name = $1 WHERE id = $2", "hasty", id)
            }
            let orders = Participant(setup.orders) { tx in
                try await tx.execute("UPDATE orders SET amount = $1 WHERE id = $2", 200, id)
            }
            let clock = ContinuousClock()
            let began = clock.now
            do {
                _ = try await coordinator.run([users, orders], within: .seconds(2))
                require(false, "the row is held for longer than the deadline")
            } catch TransactionError.aborted(let aborted) {
                print("after \(began.duration(to: clock.now)): \(aborted.cause)")
            }
            _ = try await holding.value

            let look = Participant(setup.users) { tx in
                try await tx.query("SELECT name FROM users WHERE id = $1", id, as: String.self)
            }
            let amount = Participant(setup.orders) { tx in
                try await tx.query(
                    "SELECT amount FROM orders WHERE id = $1", id, as: Decimal.self)
            }
            let (names, amounts) = try await coordinator.run(look, amount).value
            require(names == ["holder"] && amounts == [100], "the hasty one changed nothing")
            print("the holder's update is there, and nothing of the hasty one's")
        }
    }
}
