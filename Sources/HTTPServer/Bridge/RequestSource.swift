/// What a browser says about the page that a request comes from.
///
/// A page of any site may send a form to this server, and the browser adds the cookies that it has for
/// it. No page can write these two fields, so they say which site the page is of. A program that is no
/// browser sends neither.
struct RequestSource {
    /// `Sec-Fetch-Site`; browsers send it over TLS and to loopback.
    private var site: String?
    /// `Origin`; browsers send it with every request that may change something.
    private var origin: String?

    /// Whether a request of this method may change something, so that its source matters.
    ///
    /// No site can read the answer to a request of another one, unless that allows it, as this server
    /// does not.
    static func matters(for method: String) -> Bool {
        method != "GET" && method != "HEAD" && method != "OPTIONS"
    }

    /// Takes a field, if it is one of the two.
    ///
    /// Two fields of one name say nothing that could be trusted, and so become a value that is refused.
    mutating func take(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        if FieldName.secFetchSite.matches(name) {
            site = (site.map { $0 + ", " } ?? "") + String(decoding: value, as: UTF8.self)
        } else if FieldName.origin.matches(name) {
            origin = (origin.map { $0 + ", " } ?? "") + String(decoding: value, as: UTF8.self)
        }
    }

    /// Whether the request comes from a page of this host, or from no page at all.
    func isOf(_ host: String?) -> Bool {
        // A page of another port of this machine is `same-site`, and as foreign as any other.
        if let site { return site == "same-origin" || site == "none" }
        guard let origin else { return true }
        guard let host, let separator = origin.firstRange(of: "://") else { return false }
        let port = origin.lowercased().hasPrefix("https:") ? ":443" : ":80"
        func plain(_ authority: some StringProtocol) -> String {
            let text = authority.lowercased()
            return text.hasSuffix(port) ? String(text.dropLast(port.count)) : text
        }
        return plain(origin[separator.upperBound...]) == plain(host)
    }
}
