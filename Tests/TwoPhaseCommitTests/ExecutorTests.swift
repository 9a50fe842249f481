import Dispatch
import Foundation
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Closures run where the configuration prefers")
    struct ExecutorTests {
        @Test func `by default on the global executor, off the loop`() async throws {
            let loop = await threadOfLoop()
            let threads = try await threadsOfClosures(preferring: nil)
            #expect(!threads.contains(loop))
        }

        @Test func `on the loop's thread if preferred`() async throws {
            let loop = await threadOfLoop()
            let threads = try await threadsOfClosures(preferring: Coordinator.eventLoop)
            #expect(threads == Array(repeating: loop, count: 6))
        }

        @Test func `on the program's own executor`() async throws {
            let desk = Desk()
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.executorPreference = desk }) { coordinator in
                    let user = Participant(testbed.usersDatabase) { tx in
                        let before = Desk.isHere
                        try await tx.execute("INSERT INTO users VALUES ('u1')")
                        return [before, Desk.isHere]
                    }
                    #expect(try await coordinator.run([user]).value == [[true, true]])
                    try await testbed.expectQuiet(users: 1, orders: 0)
                }
            }
        }

        @Test func `a run returns to the executor of its caller`() async throws {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    try await Counter().run(coordinator, testbed.user("actor"))
                    try await Task { @MainActor in
                        _ = try await coordinator.run([testbed.user("main")])
                        MainActor.assertIsolated()
                    }.value
                    try await Task.detached {
                        _ = try await coordinator.run([testbed.user("detached")])
                    }.value
                    let desk = Desk()
                    try await Task(executorPreference: desk) {
                        _ = try await coordinator.run([testbed.user("desk")])
                        #expect(Desk.isHere)
                    }.value
                    // On the loop's own thread.
                    try await Task(executorPreference: Coordinator.eventLoop) {
                        _ = try await coordinator.run([testbed.user("loop")])
                    }.value
                    try await testbed.expectQuiet(users: 5, orders: 0)
                }
            }
        }

        private func threadOfLoop() async -> UInt {
            await Task(executorPreference: Coordinator.eventLoop) { thisThread() }.value
        }

        /// The threads of closures in one run: at their start and after each of two statements.
        private func threadsOfClosures(
            preferring executor: (any TaskExecutor)?
        ) async throws -> [UInt] {
            var threads: [UInt] = []
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.executorPreference = executor }) { coordinator in
                    func participant(_ database: Database) -> Participant<[UInt]> {
                        Participant(database) { tx in
                            var threads = [thisThread()]
                            for _ in 1...2 {
                                try await tx.execute("SELECT 1")
                                threads.append(thisThread())
                            }
                            return threads
                        }
                    }
                    let (first, second) = try await coordinator.run(
                        participant(testbed.usersDatabase), participant(testbed.ordersDatabase)
                    ).value
                    threads = first + second
                }
            }
            return threads
        }
    }
}

private func thisThread() -> UInt { UInt(pthread_self()) }

/// A queue as the program's own executor.
private final class Desk: TaskExecutor {
    private static let key = DispatchSpecificKey<Bool>()
    private let queue = DispatchQueue(label: "desk")

    init() { queue.setSpecific(key: Self.key, value: true) }

    static var isHere: Bool { DispatchQueue.getSpecific(key: key) == true }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// An actor with its own executor.
private actor Counter {
    private let line = Line()
    private var count = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { line.asUnownedSerialExecutor() }

    func run(_ coordinator: Coordinator, _ participant: Participant<Int>) async throws {
        count += try await coordinator.run([participant]).value[0]
        dispatchPrecondition(condition: .onQueue(line.queue))
        #expect(count == 1)
    }

    private final class Line: SerialExecutor {
        let queue = DispatchQueue(label: "counter")

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
        }
    }
}
