import EventLoop
package import HTTPTypes

/// Receives the answers of one route, for metrics.
///
/// Each call is made on the loop, and has to return at once.
package protocol RouteObserver: Sendable {
    /// A request was answered with this status, after so long.
    @LoopActor
    func answered(_ status: HTTPResponse.Status, after time: Duration)
}

/// Makes the observer of a route from its method and its pattern, and one with nil for both, which gets
/// what belongs to no route.
package typealias MakeRouteObserver =
    @Sendable (_ method: HTTPRequest.Method?, _ pattern: String?) -> any RouteObserver
