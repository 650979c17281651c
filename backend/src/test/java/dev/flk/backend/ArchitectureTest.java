// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.Architectures;
import com.tngtech.archunit.library.GeneralCodingRules;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.backend.outcomes.rows.PostgresRows;
import dev.flk.backend.stores.postgres.PostgresCommand;
import dev.flk.program.cli.InertWriter;
import java.io.FileDescriptor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Tests of the permitted dependencies between packages. */
class ArchitectureTest {
    private static final String ROOT = "dev.flk.backend";
    private static final String ROWS = ROOT + ".outcomes.rows";

    /** The packages that each feature may use. */
    private static final Map<String, List<String>> USED = Map.ofEntries(
            Map.entry("decide", List.of()),
            Map.entry("stores", List.of()),
            Map.entry("access", List.of()),
            Map.entry("inbox", List.of("decide", "stores")),
            Map.entry("outcomes", List.of("decide", "stores", "inbox")),
            Map.entry("ingest", List.of("decide", "stores", "access", "inbox", "outcomes")),
            Map.entry("logs", List.of("stores")),
            Map.entry("copy", List.of("inbox")),
            Map.entry("follow", List.of("decide", "inbox", "outcomes")),
            Map.entry("feed", List.of("decide", "follow", "outcomes", "inbox")),
            Map.entry("agents", List.of("stores", "access")));

    private static final JavaClasses BACKEND =
            new ClassFileImporter(List.of(new ImportOption.DoNotIncludeTests())).importPackages(ROOT);

    /**
     * Tests that each feature is independent of the others: a feature uses only what is pure or shared by all ({@code
     * decide}, {@code stores}, {@code access}). The exceptions are on the path of a certificate: the pipeline calls the
     * log and the store of outcomes, and the record follows the log.
     */
    @Test
    void features_areIndependentOfEachOther() {
        USED.forEach(ArchitectureTest::mayUse);
    }

    /** Tests that the other rules know every package. */
    @Test
    void packages_areAllNamedHere() {
        List<String> known = new ArrayList<>(USED.keySet());
        known.addAll(List.of("run", "operate", "config", "serve"));
        classes()
                .should()
                .resideInAnyPackage(
                        Stream.concat(Stream.of(ROOT), known.stream().map(name -> ROOT + "." + name + ".."))
                                .toArray(String[]::new))
                .check(BACKEND);
    }

    /** Tests that no feature uses a package that sees several features, and that these use each other in one direction. */
    @Test
    void severalFeatures_areSeenOnlyByServeOperateAndRun() {
        Architectures.layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage(ROOT + "..")
                .layer("main")
                .definedBy(ROOT)
                .layer("run")
                .definedBy(ROOT + ".run..")
                .layer("operate")
                .definedBy(ROOT + ".operate..")
                .layer("config")
                .definedBy(ROOT + ".config..")
                .layer("serve")
                .definedBy(ROOT + ".serve..")
                .whereLayer("main")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("run")
                .mayOnlyBeAccessedByLayers("main")
                .whereLayer("operate")
                .mayOnlyBeAccessedByLayers("main")
                .whereLayer("config")
                .mayOnlyBeAccessedByLayers("main", "run", "operate")
                .whereLayer("serve")
                .mayOnlyBeAccessedByLayers("main", "run", "operate", "config")
                .check(BACKEND);
    }

    private static void mayUse(String feature, List<String> others) {
        List<String> used = new ArrayList<>();
        used.add(ROOT + "." + feature + "..");
        others.forEach(other -> used.add(ROOT + "." + other + ".."));
        noClasses()
                .that()
                .resideInAPackage(ROOT + "." + feature + "..")
                .should()
                .dependOnClassesThat(
                        resideInAnyPackage(ROOT + "..").and(not(resideInAnyPackage(used.toArray(String[]::new)))))
                .check(BACKEND);
    }

    @Test
    void packages_haveNoCycles() {
        slices().matching(ROOT + ".(*)..").should().beFreeOfCycles().check(BACKEND);
        slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(BACKEND);
    }

    @Test
    void netty_isImportedOnlyByThePorts() {
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + ".serve..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.netty..")
                .check(BACKEND);
    }

    /** Tests that the backend knows nothing of the other program; a test of the jar looks for its classes. */
    @Test
    void state_isImportedNowhere() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.flk.state..", "io.grpc..", "com.google.protobuf..")
                .check(BACKEND);
    }

    @Test
    void lettuce_isImportedOnlyByTheRedisPackages() {
        onlyIn(ROOT + "..redis", "io.lettuce..", "reactor..");
    }

    @Test
    void picocliAndLogback_areImportedOnlyByTheCommandLine() {
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + ".operate.cli..")
                .and()
                .doNotBelongToAnyOf(PostgresCommand.class)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("picocli..", "ch.qos.logback..", "net.logstash..")
                .check(BACKEND);
    }

    /** Tests that only the module of the copy knows Kafka, and only the copy and the feed that module. */
    @Test
    void kafka_isImportedNowhere_andItsModuleOnlyByTheCopyAndTheFeed() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.kafka..")
                .check(BACKEND);
        noClasses()
                .that()
                .resideOutsideOfPackages(ROOT + ".copy..", ROOT + ".feed..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.flk.copy..", "dev.flk.feed..")
                .check(BACKEND);
    }

    @Test
    void prometheus_isImportedNowhere() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.prometheus..")
                .check(BACKEND);
    }

    @Test
    void jdbc_isImportedOnlyByThePostgresPackages_andTheTables() {
        noClasses()
                .that()
                .resideOutsideOfPackages(ROOT + "..postgres..", ROOT + ".outcomes.duckdb", ROWS)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("java.sql..", "org.flywaydb..")
                .check(BACKEND);
        onlyIn(ROOT + "..postgres", "javax.sql..", "com.zaxxer.hikari..", "org.postgresql..");
    }

    /** Tests that the classes that use DuckDB can be loaded by a loader of their own, with its native library. */
    @Test
    void duckDb_isImportedOnlyByTheRows_andThoseNowhere() {
        onlyIn(ROWS, "org.duckdb..");
        noClasses()
                .that()
                .resideOutsideOfPackage(ROWS)
                .should()
                .dependOnClassesThat(resideInAPackage(ROWS).and(not(type(PostgresRows.class))))
                .check(BACKEND);
    }

    @Test
    void serve_usesIngestByItsApi_andNeitherStoreNorLog() {
        classes()
                .that()
                .resideInAPackage(ROOT + ".serve..")
                .should()
                .onlyAccessClassesThat(not(resideInAnyPackage(ROOT + ".ingest..", ROOT + ".outcomes", "dev.flk.wal.."))
                        .or(belongToAnyOf(
                                Ingest.class,
                                Outcome.class,
                                Submission.class,
                                RecentRefusals.class,
                                RecentRefusals.Group.class,
                                RefusedSubmissions.class,
                                RejectReason.class)))
                .check(BACKEND);
    }

    private static void onlyIn(String home, String... libraries) {
        noClasses()
                .that()
                .resideOutsideOfPackage(home + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(libraries)
                .check(BACKEND);
    }

    /** Checks that commands print to an {@link InertWriter}, on which no text can control a terminal. */
    @Test
    void nothingElse_writesToStandardStreams() {
        noClasses()
                .that()
                .doNotBelongToAnyOf(Main.class)
                .should(GeneralCodingRules.ACCESS_STANDARD_STREAMS)
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(FileDescriptor.class)
                .check(BACKEND);
    }
}
