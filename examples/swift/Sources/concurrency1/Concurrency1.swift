import Foundation
import Setup
import TwoPhaseCommit

/// Thirty transactions at once insert the same two ids: exactly one wins.
@main
struct Concurrency1 {
    static func main() async throws {
        let setup = try Setup()
        try await Coordinator.with(setup.configuration) { coordinator in
            let id = UUID()
            let users = Participant(setup.users) { tx in
                try await tx.execute("INSERT INTO users (id, name) VALUES ($1, $2)", id, "John")
            }
            let orders = Participant(setup.orders) { tx in
                try await tx.execute(
                    "INSERT INTO orders (id, user_id, amount) VALUES ($1, $1, $2)", id, 100)
            }
            let winners = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        do {
                            // In turn, so that all of them meet in `users` first. At once, one
                            // could hold the user while another holds the order, and no
                            // database alone can see that they wait for each other.
                            _ = try await coordinator.run([users, orders], order: .sequential)
                            return true
                        } catch {
                            return false
                        }
                    }
                }
                var winners = 0
                for await isWinner in group where isWinner { winners += 1 }
                return winners
            }
            print("\(winners) of 30 were committed")
            require(winners == 1, "exactly one wins")
        }
    }
}
