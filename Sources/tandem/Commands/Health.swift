import ArgumentParser

/// The command `tandem health`.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that a replica on this machine is alive; for container health checks."
    )

    @Option(help: "The replica's port.") var port: UInt16 = 8080

    func run() async throws {
        let answer = try await LoopbackHTTP(port: port, timeoutSeconds: 5).get("/livez")
        print(answer.body)
        if answer.status != 200 { throw ExitCode(1) }
    }
}
