// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.CopyConfig;
import dev.flk.backend.copy.CopyOpening;
import dev.flk.wal.files.DiskFiles;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.InstantSource;

/** The copy of the log on other machines. */
final class CopyParts {
    private CopyParts() {}

    static CopyOpening open(BackendConfig config, CopyConfig copy, String instance, InstantSource clock) {
        return new CopyOpening(copy, config.inbox().walDir(), new DiskFiles(), instance, host(), false, clock);
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName().replaceAll("[^!-~]", "?");
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }
}
