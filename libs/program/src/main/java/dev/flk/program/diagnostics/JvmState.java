// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryUsage;
import java.util.Locale;
import java.util.stream.Collectors;
import javax.management.JMException;
import javax.management.ObjectName;

/** The state of this JVM, as text for people. */
public final class JvmState {
    private static final int CLASSES = 50;
    /** The number of heading lines of the class histogram: titles and dashes. */
    private static final int HEADING = 2;

    private static final String MEMORY = "%-40s %12s %12s %12s\n";

    private JvmState() {}

    /**
     * Returns each thread, including those of the JVM, with its stack and the locks that it holds or waits for, and any
     * deadlocks.
     */
    public static String threads() {
        return diagnostic("threadPrint", "-l");
    }

    /**
     * Returns the memory of each pool, the garbage collectors, the direct memory, and the classes whose instances use
     * the most memory. Does not trigger a garbage collection.
     */
    public static String heap() {
        StringBuilder text = new StringBuilder(MEMORY.formatted("KiB", "USED", "COMMITTED", "MAX"));
        MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
        append(text, "heap", memory.getHeapMemoryUsage());
        append(text, "non-heap", memory.getNonHeapMemoryUsage());
        for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
            append(text, "  " + pool.getName(), pool.getUsage());
        }
        for (BufferPoolMXBean buffers : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            text.append(MEMORY.formatted(
                    "buffers, " + buffers.getName(),
                    kib(buffers.getMemoryUsed()),
                    kib(buffers.getTotalCapacity()),
                    "-"));
        }
        text.append("\n%-40s %12s %12s\n".formatted("COLLECTOR", "COLLECTIONS", "SECONDS"));
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
            text.append(String.format(
                    Locale.ROOT,
                    "%-40s %12d %12.3f%n",
                    collector.getName(),
                    collector.getCollectionCount(),
                    collector.getCollectionTime() / 1000.0));
        }
        return text.append("\nThe classes that use the most memory, including instances that are garbage:\n")
                .append(diagnostic("gcClassHistogram", "-all")
                        .lines()
                        .filter(line -> !line.isBlank())
                        .limit(CLASSES + HEADING)
                        .collect(Collectors.joining("\n", "", "\n")))
                .toString();
    }

    private static void append(StringBuilder text, String name, MemoryUsage usage) {
        text.append(MEMORY.formatted(
                name, kib(usage.getUsed()), kib(usage.getCommitted()), usage.getMax() < 0 ? "-" : kib(usage.getMax())));
    }

    private static String kib(long bytes) {
        return Long.toString(bytes >> 10);
    }

    /** Runs a diagnostic command of the JVM, as {@code jcmd} does, and returns its output. */
    private static String diagnostic(String command, String... arguments) {
        try {
            return (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(
                            new ObjectName("com.sun.management:type=DiagnosticCommand"),
                            command,
                            new Object[] {arguments},
                            new String[] {String[].class.getName()});
        } catch (JMException e) {
            return "this JVM does not support this command (" + command + "): " + e + "\n";
        }
    }
}
