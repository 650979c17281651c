// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.outcomes.record.RecordFollower;
import dev.flk.backend.outcomes.record.RecordIndex;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The state of agents and, if it is on, the record of outcomes, which is kept in the state.
 *
 * @param record empty if this backend keeps no record
 */
record StateParts(ServedState state, Optional<OpenRecord> record) {
    /** The record of outcomes, with the reviews and the log's bodies, which exist only with it. */
    record OpenRecord(RecordedOutcomes outcomes, Reviews reviews, LoggedBodies bodies) {}

    static StateParts open(Common common, StateConfig config, CertificateParts certificates, @Nullable ReloadedTls tls)
            throws IOException {
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
        // also while the record is off: what it kept before still ends
        state.keepFor(RecordedOutcomes.NAMESPACE, config.recordKept());
        state.keepFor(RecordFollower.POSITIONS, config.recordKept());
        return new StateParts(
                state,
                config.keepsRecord() ? Optional.of(openRecord(common, config, certificates, state)) : Optional.empty());
    }

    private static OpenRecord openRecord(
            Common common, StateConfig config, CertificateParts certificates, ServedState state) throws IOException {
        RecordIndex index = common.parts()
                .opened(new RecordIndex(state.engine(), config.recordIndex().orElse(null)));
        RecordFollower follower = common.parts()
                .opened(new RecordFollower(
                        new DecidedLog(certificates.inbox(), new DiskFiles()),
                        state.engine(),
                        index,
                        common.metrics().ingest::admitted,
                        common.metrics().record,
                        System::nanoTime));
        certificates.care().waitFor(follower::position);
        RecordedOutcomes outcomes = new RecordedOutcomes(
                state.engine(), index, config.postgres().isPresent() || !certificates.hasSharedStore());
        state.keepFor(Reviews.NAMESPACE, config.recordHistory());
        Reviews reviews = common.parts()
                .opened(new Reviews(
                        outcomes, state.engine(), config.reviewAfter(), common.clock(), common.metrics().review))
                .start();
        follower.start();
        return new OpenRecord(
                outcomes, reviews, new LoggedBodies(new DecidedLog(certificates.inbox(), new DiskFiles())));
    }
}
