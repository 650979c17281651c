// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.files;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** The limit of open files and sockets of this process, which its connections share with its files. */
public final class OpenFiles {
    private OpenFiles() {}

    /** Returns the limit; {@link Long#MAX_VALUE} if the system has none. */
    public static long limit() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
                ? unix.getMaxFileDescriptorCount()
                : Long.MAX_VALUE;
    }
}
