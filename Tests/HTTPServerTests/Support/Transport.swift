import Testing

/// What HTTP is sent over.
enum Transport: CaseIterable {
    case plain
    case tls

    /// What sites and clients of the running test use.
    @TaskLocal static var current = Transport.plain
}

/// Runs each test over every transport, one after the other.
struct OverEveryTransport: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        for transport in Transport.allCases {
            await Transport.$current.withValue(transport) {
                do {
                    try await function()
                } catch {
                    Issue.record(error, "over \(transport)")
                }
            }
        }
    }
}

extension Trait where Self == OverEveryTransport {
    /// Runs each test over plain TCP and over TLS.
    static var overEveryTransport: Self { Self() }
}
