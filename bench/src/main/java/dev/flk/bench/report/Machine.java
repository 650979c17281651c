// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/** Where it was measured. */
public final class Machine {
    private Machine() {}

    /** Names and values, in order. */
    public static Map<String, String> describe(Path data) throws IOException {
        Map<String, String> machine = new LinkedHashMap<>();
        machine.put("when", Instant.now().truncatedTo(ChronoUnit.MINUTES).toString());
        machine.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        machine.put("processor", field(Path.of("/proc/cpuinfo"), "model name"));
        machine.put("memory", field(Path.of("/proc/meminfo"), "MemTotal"));
        machine.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        machine.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        machine.put("file system", Files.getFileStore(data).type());
        return machine;
    }

    private static String field(Path file, String name) throws IOException {
        if (!Files.isReadable(file)) {
            return "unknown";
        }
        return Files.readAllLines(file).stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("unknown");
    }
}
