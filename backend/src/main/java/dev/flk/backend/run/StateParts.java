// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import dev.flk.state.StateException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens the state of agents. */
final class StateParts {
    private static final Logger LOG = LoggerFactory.getLogger(StateParts.class);

    /** The namespace in which earlier versions kept reviews. */
    private static final String FORMER_REVIEWS = "flk.review";

    private StateParts() {}

    private static void warnOfFormerReviews(ServedState state) {
        try {
            if (!state.engine().reads().values(FORMER_REVIEWS, "", null).isEmpty()) {
                LOG.warn(
                        "the state has reviews of an earlier version, in the namespace {}, which are not used: reviews are"
                                + " in the log now. Their certificates wait again; review them again",
                        FORMER_REVIEWS);
            }
        } catch (StateException e) {
            // the state is down and reports it; the next start looks again
        }
    }

    static ServedState open(Common common, StateConfig config, @Nullable ReloadedTls tls) throws IOException {
        ServedState state = common.parts()
                .opened(ServedState.open(
                        config,
                        common.steady(),
                        common.steady().expiry(),
                        tls,
                        common.audit(),
                        common.metrics().state,
                        common.metrics().pool));
        common.reloads().add(state::onReloadSignal);
        state.keepFor(FORMER_REVIEWS, common.config().record().history());
        warnOfFormerReviews(state);
        return state;
    }
}
