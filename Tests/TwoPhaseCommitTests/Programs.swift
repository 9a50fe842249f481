import Foundation
import PostgresClusters

extension Testbed {
    /// Runs `tandem` and returns its output.
    func tandem(_ arguments: [String]) async throws -> CommandOutput {
        let databases = [users, orders].flatMap { ["--database", $0.connectionString()] }
        return try await PostgresClusters.Command(
            try Self.program("tandem"), arguments + databases
        ).run()
    }

    /// A program in the folder of the tests.
    static func program(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own).deletingLastPathComponent().path + "/" + name
    }
}
