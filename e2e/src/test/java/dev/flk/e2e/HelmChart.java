// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import com.marcnuri.helm.jni.NativeLibrary;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.ServiceLoader;
import java.util.stream.Stream;

/** {@code deploy/helm/flk}, as helm itself would install it, in a release called {@value #RELEASE}. */
final class HelmChart {
    static final Path DIRECTORY = Built.root().resolve("deploy/helm/flk");
    static final String NAMESPACE = "ingest";

    private static final String RELEASE = "flk";
    private static final String KUBERNETES = "1.34.0";

    private static final String NOTES = "\nNOTES:\n";

    /** What makes an object one that is sent only when a test is asked for; those helm's library does not render. */
    private static final String HOOK = "    helm.sh/hook: test\n";

    private HelmChart() {}

    /** What would be sent to a cluster for these values in YAML, and what {@code helm test} would send. */
    static Manifests render(String values) {
        return withCopy(copy -> Manifests.of(template(copy, values)));
    }

    /** The same of the package that helm makes of the chart, without what {@code helm test} would send. */
    static Manifests renderPackage(String values) {
        return withDirectory(directory -> {
            helm(DIRECTORY).packageIt().withDestination(directory).call();
            try (Stream<Path> packages = Files.list(directory)) {
                return Manifests.of(template(packages.findFirst().orElseThrow(), values));
            }
        });
    }

    /** What the installer reads at the end. */
    static String notes(String values) {
        String output = withCopy(copy -> withValues(
                values,
                file -> helm(copy)
                        .install()
                        .withName(RELEASE)
                        .withNamespace(NAMESPACE)
                        .withKubeVersion(KUBERNETES)
                        .clientOnly()
                        .dryRun()
                        .withValuesFile(file)
                        .call()
                        .getOutput()));
        return output.substring(output.indexOf(NOTES));
    }

    /** What helm says to values that are refused. */
    static String refusal(String values) {
        return withCopy(copy -> refusalOf(copy, values));
    }

    /** The same under {@code --skip-schema-validation}. */
    static String refusalWithoutSchema(String values) {
        return withCopy(copy -> {
            Files.delete(copy.resolve("values.schema.json"));
            return refusalOf(copy, values);
        });
    }

    private static String refusalOf(Path chart, String values) {
        try {
            throw new AssertionError("helm took these values:\n" + values + "\nand made\n" + template(chart, values));
        } catch (IllegalStateException e) {
            return String.valueOf(e.getMessage());
        }
    }

    static LintResult lint() {
        return helm(DIRECTORY).lint().strict().call();
    }

    /** A file of the chart. */
    static JsonNode yaml(String file) throws IOException {
        return new YAMLMapper().readTree(DIRECTORY.resolve(file).toFile());
    }

    /** Without its native library, helm-java would look for one on the network. */
    private static Helm helm(Path chart) {
        assumeTrue(
                ServiceLoader.load(NativeLibrary.class).findFirst().isPresent(),
                "the chart is not tried out: helm-java has no library for " + System.getProperty("os.name") + " on "
                        + System.getProperty("os.arch"));
        return new Helm(chart);
    }

    /** Of the chart, without hooks, and with files instead of links: helm tells of each link, each time. */
    private static <T> T withCopy(UseOf<T> use) {
        return withDirectory(directory -> {
            Path copy = directory.resolve("flk");
            try (Stream<Path> files = Files.walk(DIRECTORY, FileVisitOption.FOLLOW_LINKS)) {
                for (Path file : files.toList()) {
                    Path to = copy.resolve(DIRECTORY.relativize(file));
                    if (Files.isDirectory(file)) {
                        Files.createDirectories(to);
                    } else {
                        Files.writeString(to, Files.readString(file).replace(HOOK, ""));
                    }
                }
            }
            return use.of(copy);
        });
    }

    private static String template(Path chart, String values) {
        return withValues(
                values,
                file -> helm(chart)
                        .template()
                        .withName(RELEASE)
                        .withNamespace(NAMESPACE)
                        .withKubeVersion(KUBERNETES)
                        .withValuesFile(file)
                        .call());
    }

    private static String withValues(String values, UseOf<String> use) {
        return withDirectory(directory -> use.of(Files.writeString(directory.resolve("values.yaml"), values)));
    }

    private interface UseOf<T> {
        T of(Path path) throws IOException;
    }

    /** One that is gone afterwards. */
    private static <T> T withDirectory(UseOf<T> use) {
        try {
            Path directory = Files.createTempDirectory("flk-chart");
            try {
                return use.of(directory);
            } finally {
                try (Stream<Path> left = Files.walk(directory)) {
                    for (Path path : left.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(path);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
