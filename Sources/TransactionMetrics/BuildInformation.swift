/// Which tandem this is.
package enum BuildInformation {
    /// The version of tandem: of the program and of the library.
    package static let version = "0.1.0"

    /// The version of the Swift compiler, as far as the code can tell.
    package static var swift: String {
        #if compiler(>=6.4)
        "6.4 or later"
        #else
        "6.3"
        #endif
    }
}
