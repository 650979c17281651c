// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What it all runs on. */
final class Machine {
    private Machine() {}

    /** The build, the JVM, the system, processors, memory, limits of a process. */
    static String versions(String build) {
        String properties = Stream.of(
                        "java.version",
                        "java.vendor",
                        "java.vm.name",
                        "java.vm.version",
                        "java.home",
                        "os.name",
                        "os.version",
                        "os.arch",
                        "file.encoding",
                        "java.io.tmpdir",
                        "user.timezone")
                .map(name -> "%-16s %s\n".formatted(name, System.getProperty(name, "-")))
                .collect(Collectors.joining());
        Runtime runtime = Runtime.getRuntime();
        return "%-16s %s\n".formatted("build", build)
                + properties
                + "%-16s %d\n".formatted("processors", runtime.availableProcessors())
                + "%-16s %d MiB\n".formatted("heap at most", runtime.maxMemory() >> 20)
                + file("/proc/version", 5)
                + file("/etc/os-release", 3)
                + file("/proc/meminfo", 5)
                + file("/proc/loadavg", 1)
                + file("/sys/fs/cgroup/memory.max", 1)
                + file("/sys/fs/cgroup/cpu.max", 1)
                + "\nlimits of this process, which those of the running one may differ from\n"
                + file("/proc/self/limits", 40);
    }

    private static String file(String name, int lines) {
        try (Stream<String> text = Files.lines(Path.of(name), StandardCharsets.ISO_8859_1)) {
            return text.limit(lines).collect(Collectors.joining("\n", "\n" + name + "\n", "\n"));
        } catch (IOException | java.io.UncheckedIOException e) {
            return "\n" + name + " can't be read\n";
        }
    }

    /** How much room there is for each of them. */
    static String disks(List<Path> directories) {
        StringBuilder text = new StringBuilder("%15s %15s  %s\n".formatted("FREE MiB", "OF MiB", "DIRECTORY"));
        for (Path directory : directories) {
            try {
                FileStore store = Files.getFileStore(directory);
                text.append("%15d %15d  %s (%s)\n"
                        .formatted(store.getUsableSpace() >> 20, store.getTotalSpace() >> 20, directory, store.type()));
            } catch (IOException e) {
                text.append("%15s %15s  %s\n".formatted("-", "not there", directory));
            }
        }
        return text.toString();
    }
}
