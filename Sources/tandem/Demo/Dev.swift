import ArgumentParser

/// `tandem dev`
struct Dev: AsyncParsableCommand {
    func run() async throws {}
}
/// `tandem demo`
struct Demo: AsyncParsableCommand {
    func run() async throws {}
}
