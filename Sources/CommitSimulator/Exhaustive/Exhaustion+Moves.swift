internal import CommitProtocol

/// What may happen next in a state, and what it costs of the faults that are left.
extension Exhaustion {
    func moves(of state: Simulation) -> [(move: Move, price: Int)] {
        var moves: [(move: Move, price: Int)] = []
        for flight in state.flights {
            moves.append((.land(flight, .done), 0))
            if flight.incarnation == nil {
                moves.append((.land(flight, .lost), 0))
                continue
            }
            let commitModes = state.setting.commitModes
            for fate in Fate.faulty(flight.order, { commitModes[$0] }) {
                moves.append((.land(flight, fate), 1))
            }
        }
        for incarnation in state.incarnations {
            for armed in incarnation.timers {
                let isBound = armed.timer == .deadline || armed.timer == .finishWait
                moves.append((.fire(armed, incarnation: incarnation.number), isBound ? 1 : 0))
            }
            moves.append((.suffer(.crash(incarnation: incarnation.number)), 1))
        }
        addLostReplies(of: state, &moves)
        if state.incarnationCount < incarnationsMax, state.world.row != nil {
            if !state.incarnations.isEmpty { moves.append((.suffer(.takeOver), 1)) }
        }
        if state.world.row != nil { moves.append((.suffer(.deadlineElsewhere), 1)) }
        if state.world.row?.isReplicated == false || state.world.row?.isEndReplicated == false {
            moves.append((.suffer(.failOver(losesRow: false)), 1))
        }
        // The scan of another replica may meet a branch whose row is not there yet.
        let isRowless = state.world.row == nil && !state.listed().isEmpty
        if isRowless, !state.incarnations.isEmpty { moves.append((.pass, 1)) }
        if moves.allSatisfy({ $0.price > 0 }), state.incarnations.isEmpty {
            moves.append((.pass, 0))
        }
        addQuestions(of: state, &moves)
        return moves
    }

    /// Somebody may ask for the status at any moment; of an ordinary row every look is the same.
    private func addQuestions(
        of state: Simulation, _ moves: inout [(move: Move, price: Int)]
    ) {
        for incarnation in state.incarnations {
            moves.append((.suffer(.ask(incarnation: incarnation.number)), 0))
        }
        moves.append((.suffer(state.observer == nil ? .ask(incarnation: nil) : .lookOn), 0))
    }

    private func addLostReplies(
        of state: Simulation, _ moves: inout [(move: Move, price: Int)]
    ) {
        for (branch, site) in state.world.sites.enumerated() {
            switch site.session {
            case .workReplyLost, .commitReplyLost:
                moves.append((.suffer(.runReplyLost(branch: branch)), 0))
                moves.append((.suffer(.finishReplyLost(branch: branch)), 0))
            case .holds where state.index(of: 0) == nil:
                moves.append((.suffer(.finishReplyLost(branch: branch)), 0))
            case .none, .holds, .gone: break
            }
        }
    }
}
