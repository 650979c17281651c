// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.CopiedLog;
import dev.flk.backend.copy.CopyConfig;
import dev.flk.backend.copy.CopyOpening;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.program.parts.OpenedParts;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.InstantSource;
import java.util.Optional;

/** The copy of the log on other machines. */
final class CopyParts {
    private static final String COPY = "copy";

    private CopyParts() {}

    /**
     * Prepares the directory of the log. Blocks until the brokers answer; meanwhile, {@code servers} show the reason.
     *
     * @param newLog the check whether a new log may begin
     */
    static CopyOpening prepare(
            BackendConfig config,
            CopyConfig copy,
            CopyOpening.Check newLog,
            String instance,
            InstantSource clock,
            BackendMetrics metrics,
            Servers servers,
            OpenedParts parts)
            throws IOException {
        metrics.copy.starting();
        CopyOpening opening = parts.opened(new CopyOpening(
                copy,
                config.inbox().walDir(),
                new DiskFiles(),
                instance,
                host(),
                clock,
                logId -> config.feed().map(feed -> feed.claimTerm(logId)).orElse(0L)));
        servers.starting(() -> new Component(COPY, false, opening.waitsFor()));
        opening.setNewLogCheck(newLog);
        opening.prepare();
        return opening;
    }

    /** Returns the state of the copy. It is needed only while certificates are not accepted without it. */
    static Component component(CopiedLog copied) {
        Optional<String> outage = copied.outage();
        Optional<String> text = outage.or(copied::warning);
        return new Component(COPY, text.isEmpty(), text.orElse("up"), outage.isPresent());
    }

    /** Returns the name of this machine, of visible ASCII characters. */
    static String host() {
        try {
            return InetAddress.getLocalHost().getHostName().replaceAll("[^!-~]", "?");
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }
}
