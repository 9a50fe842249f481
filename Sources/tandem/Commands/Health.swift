import ArgumentParser

/// The command `tandem health`.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that a replica on this machine is alive; for container health checks."
    )

    @Option(help: "The replica's port on 127.0.0.1.") var port: UInt16 = 8080

    @Option(
        help: ArgumentHelp(
            "The replica's address instead, such as https://tandem.example:8080 with listen.tls.",
            valueName: "url"))
    var url: String?

    func run() async throws {
        guard let url else {
            let answer = try await LoopbackHTTP(port: port, timeoutSeconds: 5).get("/livez")
            print(answer.body)
            if answer.status != 200 { throw ExitCode(1) }
            return
        }
        guard let address = ServerAddress(url) else {
            throw ValidationError(ServerAddress.expectation(butGot: url))
        }
        let client = APIClient(
            Profile(address: address, token: nil), patience: .seconds(5), showsProgress: false)
        try await reportingFailures {
            print(try await client.send(APIClient.Request("/livez")).text)
        }
    }
}
