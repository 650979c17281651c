// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The report to systemd that a program accepts requests, for units with {@code Type=notify}. It is sent by the command
 * {@code systemd-notify}, because the JDK has no datagram sockets in the file system. The unit needs {@code
 * NotifyAccess=all}, which accepts reports of such a command.
 */
public final class ServiceReadiness {
    private static final Logger LOG = LoggerFactory.getLogger(ServiceReadiness.class);

    private ServiceReadiness() {}

    /** Reports that the program is ready, if systemd waits for the report; blocks until systemd has processed it. */
    public static void report() throws InterruptedException {
        if (System.getenv("NOTIFY_SOCKET") == null) {
            return;
        }
        String problem;
        try {
            Process notify = new ProcessBuilder("systemd-notify", "--ready")
                    .redirectErrorStream(true)
                    .start();
            String printed = new String(notify.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (notify.waitFor() == 0) {
                return;
            }
            problem = printed;
        } catch (IOException e) {
            problem = String.valueOf(e.getMessage());
        }
        LOG.warn(
                "the program is ready, but this could not be reported to systemd, which still waits; set Type=exec"
                        + " in the unit: {}",
                problem);
    }
}
