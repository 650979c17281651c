// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.report;

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.bench.suite.Figures;
import dev.flk.bench.suite.Results;
import dev.flk.bench.suite.Sample;
import dev.flk.bench.suite.Target;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Every round of every subject, for programs. */
public final class JsonReport {
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private JsonReport() {}

    /** Writes a file with all suites. */
    public static void write(Path file, Map<String, String> machine, List<Results> all) throws IOException {
        ObjectNode report = JSON.createObjectNode();
        ObjectNode where = report.putObject("machine");
        machine.forEach(where::put);
        ArrayNode suites = report.putArray("suites");
        all.forEach(results -> put(suites.addObject(), results));
        JSON.writeValue(file.toFile(), report);
    }

    private static void put(ObjectNode suite, Results results) {
        suite.put("name", results.suite()).put("unit", results.unit()).put("base", results.base());
        ArrayNode subjects = suite.putArray("subjects");
        for (Figures figures : results.figures()) {
            ObjectNode subject = subjects.addObject().put("name", figures.subject());
            ArrayNode rounds = subject.putArray("rounds");
            figures.samples().forEach(sample -> put(rounds.addObject(), sample));
        }
        ArrayNode targets = suite.putArray("targets");
        for (Target target : results.targets()) {
            targets.addObject()
                    .put("what", target.what())
                    .put("value", target.value())
                    .put("reached", target.reached());
        }
    }

    private static void put(ObjectNode round, Sample sample) {
        put(round, "per_second", sample.perSecond());
        put(round, "p50_ms", sample.p50Millis());
        put(round, "p99_ms", sample.p99Millis());
        put(round, "p999_ms", sample.p999Millis());
        put(round, "cpu_us", sample.cpuMicros());
        put(round, "resident_mib", sample.residentMebibytes());
        put(round, "allocated_bytes", sample.allocatedBytes());
    }

    private static void put(ObjectNode round, String name, double value) {
        if (!Double.isNaN(value)) {
            round.put(name, value);
        }
    }
}
