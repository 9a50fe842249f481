import Testing

/// The house rules, on the repository as it is, and each on a fault planted for it: a rule that
/// cannot fail is no rule.
@Suite struct TidyTests {
    private func planted(_ target: String, _ text: String) -> [SourceFile] {
        [SourceFile(path: "Sources/\(target)/Planted.swift", text: text)]
    }

    @Test func `every target imports lower floors only`() throws {
        #expect(Layering.faults(in: try Repository.swiftFiles("Sources")) == [])
    }

    @Test(arguments: [
        ("HTTPServer", "import CommitProtocol\npublic import CoordinatorAPI"),
        ("PostgresClient", "import HTTPServer"),
        ("EventLoop", "internal import TransactionEngine"),
        ("CommitProtocol", "import Foundation"), ("StatementGate", "import EventLoop"),
        ("tandem", "import CLibpq"),
        ("PostgresTransactions", "@preconcurrency import CLinux"),
        ("CoordinatorAPI", "import struct PostgresTransactions.Diagnostics"),
        ("SomethingNew", "let one = 1"),
    ])
    func `an arrow up or a second importer of C is found`(target: String, text: String) {
        #expect(Layering.faults(in: planted(target, text)).count == 1)
    }

    @Test func `the core is pure`() throws {
        let files = try Repository.swiftFiles("Sources/CommitProtocol")
        #expect(!files.isEmpty)
        #expect(Purity.faults(in: files) == [])
    }

    @Test(arguments: [
        "let now = Date()", "Task { act() }", "let die = Int.random(in: 1...6)",
        "func wait() async {}", "let order = branches.shuffled()", "let clock = ContinuousClock()",
    ])
    func `a clock, a task or a die in the core is found`(line: String) {
        #expect(Purity.faults(in: planted("CommitProtocol", line)).count == 1)
        #expect(Purity.faults(in: planted("CommitProtocol", "// " + line)) == [])
        #expect(Purity.faults(in: planted("tandem", line)) == [])
    }

    @Test func `rooms get their loop through an initializer`() throws {
        #expect(SharedLoop.faults(in: try Repository.swiftFiles("Sources")) == [])
    }

    @Test(arguments: [
        "init(loop: EventLoop = .shared) {}", "let clock = LoopClock(.shared)",
        "connect(options, loop: .shared)", "EventLoop.shared.execute {}",
    ])
    func `the shared loop in a room is found`(line: String) {
        #expect(SharedLoop.faults(in: planted("PostgresClient", line)).count == 1)
        #expect(SharedLoop.faults(in: planted("tandem", line)) == [])
        #expect(SharedLoop.faults(in: planted("PostgresClient", "rows.shared.count")) == [])
    }

    @Test func `no function is longer than a screen`() throws {
        let files = try Repository.swiftFiles("Sources") + Repository.swiftFiles("Tests")
        #expect(FunctionLength.faults(in: files) == [])
    }

    @Test(arguments: ["func long(of: () -> Void = {}) -> [Int]", "init(_ text: String)", "deinit"])
    func `a long function is found`(head: String) {
        func file(_ count: Int) -> [SourceFile] {
            let body = Array(repeating: "    say(\"} \\(name(\"}\")) {\") // }\n", count: count)
            return planted(
                "tandem", "protocol Short { func long() }\n\(head) {\n\(body.joined())}\n")
        }
        #expect(FunctionLength.faults(in: file(FunctionLength.linesMax - 2)) == [])
        #expect(FunctionLength.faults(in: file(FunctionLength.linesMax - 1)).count == 1)
    }

    @Test func `the router and the contract have the same operations`() throws {
        let faults = RoutesAndContract.faults(
            router: try Repository.text("Sources/CoordinatorAPI/Handlers/CoordinatorAPI.swift"),
            contract: try Repository.text("openapi.yaml"))
        #expect(faults == [])
    }

    @Test func `a route or an operation too many is found`() {
        let router = #"router.on(.get, "/a") { _ in } ; router.on(.post, "/a/{id}") { _ in }"#
        let contract =
            "paths:\n  /a:\n    get:\n  /a/{id}:\n    post:\ncomponents:\n  /b:\n    get:\n"
        func faults(_ router: String, _ contract: String) -> [String] {
            RoutesAndContract.faults(router: router, contract: contract)
        }
        #expect(faults(router, contract) == [])
        #expect(faults(router + #"router.on(.delete, "/a")"#, contract).count == 1)
        #expect(
            faults(router, contract.replacing("    post:", with: "    post:\n    put:")).count == 1)
        #expect(faults("", "").count == 1)
    }

    @Test func `every failpoint has crash cases`() throws {
        let faults = FailpointsHit.faults(
            catalogue: try Repository.text("Sources/TransactionEngine/Steps/ProtocolStep.swift"),
            cases: try Repository.text("Reliability/crash/points.py"))
        #expect(faults == [])
    }

    @Test func `a failpoint without a crash case is found`() {
        func faults(_ cases: String) -> [String] {
            FailpointsHit.faults(
                catalogue: "enum Step {\ncase accept\ncase finish\ncase work\n}\n", cases: cases)
        }
        let cases = #"STEPS = (\n(A, "accept"), (A, "finish"), (A, f"work.{branch}"),\n)\n"#
            .replacing(#"\n"#, with: "\n")
        #expect(faults(cases) == [])
        #expect(faults(cases.replacing("finish", with: "accept")).count == 1)
        #expect(faults(cases.replacing("(A, \"finish\")", with: "")).count == 1)
        #expect(faults(cases.replacing("work", with: "play")).count == 2)
    }

    @Test func `only a rehearsal makes control points`() throws {
        let files = try Repository.swiftFiles("Sources")
        #expect(files.contains { $0.text.contains("ControlPointGate(") })
        #expect(ControlPointMakers.faults(in: files) == [])
        let text = "let gate = ControlPointGate(clock: clock)"
        #expect(ControlPointMakers.faults(in: planted("tandem", text)).count == 1)
        #expect(ControlPointMakers.faults(in: planted("TwoPhaseCommit", text)).count == 1)
    }

    private func proofFaults(_ reliability: String) throws -> [String] {
        ProofNames.faults(
            reliability: reliability, protocol: try Repository.text("docs/PROTOCOL.md"),
            swift: try Repository.swiftFiles("Tests"),
            python: try Repository.files("Reliability", ".py").map(\.text).joined())
    }

    @Test func `every invariant and every fact has tests that exist`() throws {
        #expect(try proofFaults(try Repository.text("docs/RELIABILITY.md")) == [])
    }

    @Test(arguments: [
        ("| AC5 ", "| none "), ("`PrepareTagTests", "`AbsentTests"),
        ("`late_prepare`", "`no_scene_has_this`"),
        ("| a standby lists", "| a sleeper lists"),
    ])
    func `a row or a test that is missing is found`(text: String, other: String) throws {
        let page = try Repository.text("docs/RELIABILITY.md")
        #expect(page.contains(text))
        #expect(try !proofFaults(page.replacing(text, with: other)).isEmpty)
    }

    @Test func `the terms of the protocol and the code are the same`() throws {
        let faults = Terms.faults(
            page: try Repository.text("docs/PROTOCOL.md"),
            sources: try Repository.swiftFiles("Sources"))
        #expect(faults == [])
    }

    @Test(arguments: [
        ("package struct FlightPlan {}", "", "", "FlightPlan is in no row of Terms"),
        ("", "`Decision`", "`Verdict`", "Decision is in no row of Terms"),
        ("", "`Decision`", "`Verdict`", "Terms names Verdict, which no code has"),
        ("", "| low-water mark |", "| decision |", "Terms has decision twice"),
    ])
    func `an idea without a term, or a term without code, is found`(
        text: String, term: String, other: String, fault: String
    ) throws {
        let page = try Repository.text("docs/PROTOCOL.md")
        let core = try Repository.swiftFiles("Sources/CommitProtocol")
        let faults = Terms.faults(
            page: page.replacing(term, with: other),
            sources: core + planted("CommitProtocol", text))
        #expect(faults.contains(fault))
    }

    private func retired(_ swift: [SourceFile], _ others: [SourceFile]) throws -> [String] {
        RetiredWords.faults(
            swift: swift, others: others,
            decision: try Repository.text("docs/decisions/0009-vocabulary.md"))
    }

    @Test func `no file is longer than 400 lines`() throws {
        let long = try Repository.swiftFiles("Sources").filter { tooLong($0.text) }.map(\.path)
        #expect(long == [])
        #expect(tooLong(String(repeating: "a\n", count: 401)))
        #expect(!tooLong(String(repeating: "a\n", count: 400)))
    }

    private func tooLong(_ text: String) -> Bool { text.utf8.count { $0 == 10 } > 400 }

    @Test func `no retired word is used`() throws {
        let tidy = "Tests/TidyTests/"
        let swift =
            try Repository.swiftFiles("Sources") + Repository.swiftFiles("Tests")
            + Repository.swiftFiles("Benchmarks")
        let pages =
            try Repository.files("docs", ".md").filter { !$0.path.hasSuffix("0009-vocabulary.md") }
            + Repository.files("Sources", ".md") + Repository.files("examples", ".md")
            + [
                "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "openapi.yaml",
                "tandem.example.yaml", "SECURITY.md",
            ].map { SourceFile(path: $0, text: try Repository.text($0)) }
        let proof =
            try Repository.files("Reliability", ".py") + Repository.files("Reliability", ".patch")
            + Repository.files("Model", ".pml") + Repository.files("Benchmarks", ".py")
            + Repository.files("scripts", ".sh")
        let faults = try retired(swift.filter { !$0.path.hasPrefix(tidy) }, pages + proof)
        #expect(faults == [])
    }

    @Test(arguments: [
        "let registerAnswer = 1", "struct Doctor {}", "func isLifeOver() {}",
        #"let sql = "SELECT commit_register FROM tandem.transactions""#, "// At first sight.",
    ])
    func `a retired word in Swift is found`(line: String) throws {
        #expect(try retired(planted("tandem", line), []).count == 1)
    }

    @Test(arguments: [
        ("The register decides.", 1), ("Its LIFE is over, and whoever drives it is told.", 4),
        ("Two processor registers.", 0), ("ServiceLifecycle, hindsight, `orders`.", 0),
    ])
    func `a retired word on a page is found, and a sound one is not`(
        line: String, count: Int
    ) throws {
        let page = SourceFile(path: "docs/PLANTED.md", text: line)
        #expect(try retired([], [page]).count == count)
    }

    @Test func `every test that SECURITY.md names is there`() throws {
        let page = SourceFile(path: "SECURITY.md", text: try Repository.text("SECURITY.md"))
        let tests = try Repository.swiftFiles("Tests")
        #expect(NamedTests.faults(in: [page], tests: tests) == [])
        let gone = SourceFile(path: "GONE.md", text: "`AccessMatrixTests.gone`, `Nothing.matrix`")
        #expect(NamedTests.faults(in: [gone], tests: tests).count == 2)
    }

    private func pages() throws -> [SourceFile] {
        try Repository.files("docs", ".md")
            + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map {
                SourceFile(path: $0, text: try Repository.text($0))
            }
    }

    @Test func `every link of a document leads somewhere`() throws {
        #expect(Links.faults(in: try pages(), exists: Repository.exists) == [])
    }

    @Test func `every file that a script or a document names exists`() throws {
        let scripts = try ["scripts", "Reliability", "Benchmarks"].flatMap { folder in
            try [".sh", ".py", "run"].flatMap { try Repository.files(folder, $0) }
        }
        let others = try ["Makefile", ".ci/run"].map {
            SourceFile(path: $0, text: try Repository.text($0))
        }
        #expect(!scripts.isEmpty)
        let files = try scripts + others + pages()
        #expect(NamedPaths.faults(in: files, exists: Repository.exists) == [])
        let planted = SourceFile(
            path: "scripts/planted.sh",
            text: "echo Sources/Gone/Gone.swift\nsed -n 1p \"$root/scripts/gone.sh\"")
        #expect(NamedPaths.faults(in: [planted], exists: Repository.exists).count == 2)
    }

    @Test(arguments: [
        "[gone](PROTOCOL.md#gone)", "[gone](GONE.md)", "[gone](#gone)", "[gone](../docs/GONE.md)",
    ])
    func `a link that leads nowhere is found`(link: String) throws {
        let planted = SourceFile(path: "docs/PLANTED.md", text: "# Here\n[here](#here) \(link)")
        let faults = Links.faults(in: try pages() + [planted]) {
            $0 == planted.path || Repository.exists($0)
        }
        #expect(faults.count == 1)
    }
}
