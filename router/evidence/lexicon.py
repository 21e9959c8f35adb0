"""Words of seven languages, and what they stand for.

English, German, French, Spanish, Portuguese, Russian and Chinese words for one thing are one
concept, so that the signals are written once for all of them.
"""

# ruff: noqa: RUF001 -- these are the letters the callers type.

from collections.abc import Mapping
from typing import Final

LEXICON: Final[Mapping[str, str]] = {
    # What the caller wants done.
    "design": """diseñarías, diseñarias, diseñaría, projetaria, concevrais, entwerfen würdest,
        concebir, concebirías, design, redesign, architect, rearchitect, re architect, entwirf,
        entwerfe, entwerfen, konzipier*, conçois, concevoir, concevez, diseña, diseñar, diseñe,
        projete, projetar, спроектир*, проектировать, продумай, продумать, 设计, 重新设计""",
    "propose": """model the, work out, devise, spec out, plan out, scope, propose, suggest, come up
        with, draft, sketch, outline, define, plan, choose, map out, break down, think about, think
        through, walk me through, talk me through, lay out, vorschlagen, plane, skizziere, propone,
        proponha, planifie, esquisse, предложи, придумай, распиши, опиши как, составь, 提出,
        规划""",
    "advise": """wie sollen, wie sollten, würdest du, wie würde, how would i, tu ferais, harías,
        faria, как спроектировать, как построить, как организовать, help me choose, help us choose,
        make sense, makes sense, worth it, is it worth, better to, or should, thoughts on, your
        take, how best, how can we, how could we, macht es sinn, lohnt sich, was würdest du, vaut il
        mieux, que choisir, qué opinas, vale la pena, es mejor, vale a pena, é melhor, имеет ли
        смысл, как бы ты, что думаешь, какой вариант, какой подход, 还是, 怎么选, 如何设计, 建议,
        what do you think, do you think, opinion on, your advice, strategie*, stratégie*,
        estrategia*, стратеги*, should we, should i, should the, should our, should this, how would
        you, what would you, you'd, whether, vs, versus, recommend*, recommand*, recomend*,
        recomiend*, empfehl*, empfiehl*, compare, evaluate, weigh, decide, deciding, pick, which
        approach, what approach, right way, best way, good idea, sane way, sensible way, trade offs,
        trade off, tradeoffs, pros and cons, consequences, strategy, roadmap, alternative,
        alternatives, figure out, what needs to, how do we, how should, what would, look like, where
        do we start, where to start, considering, not sure if, not sure whether, sollten wir, sollte
        ich, wie soll, vergleiche, entscheiden, wo fangen wir an, faut il, devrions nous, comparez,
        hésite, hésitons, par où commencer, deberíamos, conviene, por dónde, devemos, por onde,
        стоит ли, выбрать, выбор*, посовет*, сравни*, что лучше, как лучше, как правильно, с чего
        начать, 应该, 推荐, 比较, 怎么设计, 应该怎么""",
    "build": """build, structure, organise, organize, reorganise, reorganize, put together, set up,
        should work, would work, fit together, fits together, should look, aufbauen, aufteilen,
        structurer, estructurar, estruturar, построить, организовать, устроить, 构建, 搭建""",
    "reshape": """extract the, pull out, carve out, split, divide, restructure, decouple,
        modularize, modularise, break up, migra*, port, move, moving, rebuild, rebuilding, rewrite,
        rewriting, replace, introduce, consolidate, aufteilen, umstellen, migrier*, découper,
        diviser, dividi*, separar, разбить, разбей, разделить, раздели, разнести, мигрир*, миграц*,
        перейти, переехать, 拆分, 迁移, 重写""",
    "refactor": "refactor*, refaktor*, рефактор*, отрефактор*, 重构",
    "implement": """implement, develop, code a, code up, code me, execute, go ahead with, proceed
        with, carry out, do step, do steps, next phase, phase 2, phase 3, step 2, step 3,
        implementier*, umsetzen, implémente*, implementa, implemente, desarrolla, desenvolva,
        реализ*, имплемент*, закодь, разработай, 实现, 开发""",
    "write": """fill in, write, create, make, build, generate, produce, scaffold, set up, add,
        gimme, whip up, put together, hook up, wire up, integrate, extend, connect, finish,
        complete, i want, i need, we need, i'd like, schreib*, erstell*, baue, bau mir, mach mir,
        füge, ergänze, brauche, écris, écrire, crée, créer, ajoute*, fais moi, complète, besoin,
        escribe, crea, haz, hazme, añade, agrega, necesito, escreva, crie, cria, adicione, preciso,
        faça, напиши*, написать, создай*, создать, сделай*, сделать, добавь*, добавить, допиши,
        доделай, дополни, переделай, нарисуй, сверстай, нужен, нужна, нужно, 写, 编写, 创建, 添加,
        生成, 做, 改成""",
    "compose": """write, draft, compose, schreib*, écris, rédige, escribe, redacta, escreva, redija,
        напиши*, написать, 写""",
    "give": """give me, show me, provide, дай, покажи, gib mir, zeig mir, donne moi, dame, dê me,
        给出""",
    "edit": """add, remove, replace, sort, change, convert, turn, extract, annotate, insert, delete,
        bump, inline, make, generate, update, put, swap, switch, strip, füge, ersetze, entferne,
        ändere, sortiere, ajoute*, supprime*, remplace*, añade, agrega, quita, elimina, cambia,
        adicione, remova, troque, добавь*, добавить, убери*, удали*, замени*, отсортируй, поменяй,
        переделай, 添加, 删除, 替换, 把, 给""",
    "optimise": """optimise, optimize, speed up, speed this up, make this faster, make it faster,
        vectorise, vectorize, parallelise, parallelize, optimier*, beschleunig*, optimisez,
        accélère, optimiza, otimize, оптимизир*, ускор*, быстрее, 优化, 加速""",
    "fix": """fix, debug, repair, resolve, correct, troubleshoot, sort out, sort it out, stop it
        from, behebe, beheben, repariere, korrigier*, corrige*, corrija, répare, arregla, conserte,
        исправ*, почини*, поправь, пофикси*, отлад*, 修复, 调试, 解决, 修正""",
    "review": """review, code review, critique, look over, have a look, take a look, feedback,
        roast, audit, lgtm, approve, merge this, comment on, überprüf*, begutacht*, schau dir,
        relis, relire, revisa, revise, отревьюй, ревью, проверь, проверить, посмотри, взгляни,
        глянь, оцени, 审查, 评审, 看看""",
    "rename": """rename, renaming, benenne, umbenennen, renomme, renommer, renombra, renomeie,
        переимен*, 重命名, 改名""",
    "transform": """translate, summarise, summarize, paraphrase, rephrase, reword, shorten,
        condense, reformat, proofread, spell check, tl;dr, tldr, pretty print, capitalize,
        capitalise, commit message, release notes, key points, main points, key takeaways, action
        items, gist, in one sentence, change the tone, übersetz*, fasse, zusammenfass*,
        umformulier*, kürze, traduis, traduire, résume, résumer, reformule, traduce, traduzca,
        resume, traduza, traduzir, resuma, переведи, перевести, суммируй, резюмируй, перескаж*,
        кратк*, сократи, перепиши, вежливее, перефразир*, 翻译, 总结, 概括, 改写, 润色""",
    "as format": """as a table, as table, as json, as csv, as yaml, as markdown, as a list, as
        bullets, bullet points, bulleted list, markdown table, html table, a table out of, title
        case, plain english, simpler words, shorter, longer, friendlier, simpler, more concise, more
        professional, more formal, more polite, more casual, half as long, alphabetically, in
        english, in french, in german, in spanish, in russian, in chinese, to english, to french, to
        german, to spanish, to russian, to chinese, into english, into french, into german, into
        spanish, als tabelle, als liste, ins deutsche, ins englische, sous forme de, en tableau, en
        français, en anglais, como tabla, en una tabla, al inglés, al español, como tabela, para o
        inglês, таблицей, в виде, списком, на русский, на английский, на немецкий, 表格, 英文""",
    "into format": """to json, to yaml, to csv, to xml, to markdown, to a table, to html, to a list,
        into a table, into a list, into json, into csv, to km, into paragraphs, into one
        paragraph""",
    "convert": """convert, format, turn, transform, extract, sort, rewrite, change, wandle,
        formatier*, convertis, transforme, convierte, convierta, converta, formata, преобраз*,
        конверт*, оформи*, извлеки, 转换, 提取""",
    "explain": """explain, describe, tell me, define, give me a list, list the, list all, show me
        how, what is meant, name three, name some, erklär*, beschreib*, explique*, explica, décris,
        descreva, объясни*, расскажи*, поясни*, опиши, 解释, 介绍, 说明""",
    "inspect": """analyze, analyse, identify, detect, scan, list the, проанализируй, найди,
        analysiere, analiza, 分析, 找出, audit, find, check, assess, review, rotate, store, fix,
        contain, test, remediat*, аудит*, проверь, prüfe, vérifie, audita, 检查, 审计""",
    "harden": """harden, secure our, secure the, lock down, absichern, sécurise, asegura, защити,
        加固""",
    # What it is to be done to.
    "architecture": """tech stack, blueprint, api contract, api contracts, migration path, migration
        plan, rollout plan, capacity planning, capacity estimates, build vs buy, make or buy, tco,
        архитектурн*, модель данных, стек технологий, modelo de datos, modèle de données, target
        architecture, ddd, bounded context, bounded contexts, aggregates, domain of, domain model,
        er diagram, erd, class diagram, sequence diagram, component diagram, uml, zielarchitektur,
        целевую, целевая, architecture, architectures, architectural, adr, system design, design
        document, design doc, rfc, data model, high level design, service boundaries, module
        boundaries, permission model, single sign on, architektur, architekturen, datenmodell,
        arquitectura*, arquitetura*, архитектура, архитектуры, архитектуру, архитектуре, 架构""",
    "system": """system, systems, subsystem, service, services, microservice*, platform, pipeline,
        schema, backend, infrastructure, infra, cluster, clusters, monolith*, monolit*, gateway,
        database, databases, event bus, event store, tables, relations, entities, multi tenant,
        multi tenancy, tenancy, tenant, tenants, saas, protocol, storage, caching, cache, modules,
        monorepo, ci cd, rules engine, marketplace, dienst, dienste, plattform, datenbank, système,
        systèmes, plateforme, sistema, sistemas, plataforma, servicio*, serviço*, систем*, сервис*,
        микросервис*, платформ*, схему, схема, базу данных, базы данных, хранилищ*, очеред*, модул*,
        系统, 服务, 平台, 微服务, 数据库, 分库分表""",
    "scheme": """high level plan, plan to, plan for, a plan, concept, approach, proposal, criteria,
        options, sequence of steps, big picture, sketch of, konzept*, kriterien, ansatz, critères,
        enfoque, критери*, план, подход, концепц*, 方案, 思路""",
    "tech": """kafka, rabbitmq, postgres*, mysql, mongo*, dynamodb, neo4j, redis, kubernetes, k8s,
        docker, grpc, graphql, rest api, restful, aws, gcp, azure, aurora, oracle, lambda, lambdas,
        serverless, jwt, mtls, crdt, event sourcing, cqrs, rbac, abac, elasticsearch, clickhouse,
        sqs, nats, nosql, airflow, snowflake, spark, hadoop, erp, crm, etl, cron, opentelemetry""",
    "scale": """high availability, fault tolerance, fault tolerant, resilience, slo, slos, scalab*,
        scale, availability, throughput, latency, p99, multi region, failover, failure modes,
        sharding, partitioning, downtime, cutover, rollout, rps, qps, consistency, capacity, peak,
        end to end, offline first, offline sync, zero downtime, real time, data flow, data
        residency, conflict resolution, schema evolution, disaster recovery, lock in, hochverfügb*,
        haute disponibilité, alta disponibilidad, alta disponibilidade, нагрузк*, масштабир*,
        отказоустойч*, 高可用, 高并发, 并发""",
    "whole": """entire, whole, codebase, monolith*, monolit*, from scratch, legacy, event driven,
        all modules, all services""",
    "ours": """our, ours, my, we, we're, we've, i'm, i've, i have, do we, how do we, should we, can
        we, what do we, unser*, wir, mein*, notre, nos, mon, nous, nuestr*, tenemos, estamos, nosso,
        nossa, temos, наш*, нам, у нас, меня, мой, мы, 我们, 我的""",
    "code": """app, apps, function, functions, method, class, classes, script, scripts, program,
        endpoint, endpoints, api, component, components, module, application, feature, page, cli,
        query, bot, parser, test, tests, hook, middleware, server, client, library, package,
        algorithm, code, decorator, website, game, extension, crawler, scraper, operator, worker,
        plugin, interface, repository, tool, utility, search box, login, button, sidebar, dark mode,
        pagination, websocket, workflow, handler, flag, probe, backend, microservice, funktion,
        funktionen, klasse, skript, programm, endpunkt, fonction, classe, función, clase, pruebas,
        programa, função, cadastro, функци*, класс, класса, скрипт*, бот, бота, метод*, эндпоинт*,
        тест, тесты, пагинац*, приложени*, программ*, код, парсер*, 函数, 类, 脚本, 接口, 代码,
        程序, 组件, 测试, 爬虫""",
    "artefact": """create table, load test, sql query, sql statement, terraform, dockerfile, docker
        compose, makefile, helm chart, github action, github actions, ansible playbook, nginx
        config, systemd unit, alembic migration, cron job, seed data, sql abfrage, requête sql,
        consulta sql, sql запрос""",
    "language": """python, javascript, typescript, java, kotlin, rust, golang, in go, mit go, на go,
        in c, into c, c++, ruby, php, scala, haskell, bash, powershell, vba, swiftui, sql, react,
        vue, angular, svelte, django, rails, flask, fastapi, fastify, spring boot, express.js,
        node.js, next.js, numpy, pandas, html, css, jquery, tailwind, wordpress, jest, pytest,
        vitest, hooks, pseudocode, curl""",
    "software": """error handling, error message, error messages, exception handling, design
        pattern, design patterns, design system, design token, design tokens, design systems, rate
        limiter, registration, verification, feature, endpoint, error rate, log in, navbar, ci
        pipeline, image upload, preview, auth, frameworks, backends, traffic, migration, migrating,
        software, codebase, frontend, front end, repo, repos, branch, merge, git, github, gitlab,
        ci, deploy*, staging, production, prod, release, rollback, env, config, configuration,
        nginx, apache, container*, pod, pods, helm, vm, vms, server, servers, host, hostname,
        localhost, http, https, url, urls, header, headers, cookie, cookies, session, sessions,
        localstorage, token, tokens, oauth, sso, password, passwords, signup, sign up, logged in,
        webhook*, cors, tls, ssl, certificate, dns, cdn, proxy, load balancer, firewall, browser,
        firefox, safari, ios, android, flutter, xcode, gradle, maven, ui, ux, dom, svg, dropdown,
        modal, tooltip, checkbox, carousel, viewport, scrolling, click, hover, responsive, shopify,
        webpack, vite, spa, ssr, render*, props, state management, csv, json, yaml, xml, protobuf,
        parquet, pdf, zip, regex, column, columns, rows, table header, index, query, queries, joins,
        transaction*, orm, stored procedure, db, queue*, scheduler, null, nan, undefined, array*,
        string, strings, dict, tuple, struct, enum, pointer, mutex, loop, loops, recursion, thread,
        threads, goroutine*, coroutine*, async, await, promises, retry, retries, backoff, timeout*,
        debounce, throttle, batch, cron job, background job, log, logs, metrics, prometheus,
        grafana, datadog, sentry, tracing, telemetry, monitoring, sdk, openapi, swagger, stripe,
        slack, s3, ec2, bucket, upload*, download*, export, cpu, ram, gpu, cuda, memory, disk,
        socket, sockets, npm, yarn, pip, cargo, virtualenv, compiler, compile, compiles, linter,
        mypy, argparse, dataset, dataframe, inference, embeddings, rag, llm, pytorch, tensorflow,
        notebook, orders, checkout, data flow, dashboard, replica, mvp, active directory, kernel,
        firmware, iot, encoding, utf, csv export, subcommand, fixture, fixtures, symbols, hacked,
        ransomware, login screen, login page, anmeldung, speicher, warteschlange, oberfläche,
        schnittstelle*, fichier*, serveur*, navigateur, formulaire, requête*, champ, archivo*,
        servidor*, navegador, formulario, sesión, página, arquivo*, ficheiro*, файл*, папк*,
        сервер*, таблиц*, лог, логах, логи, логов, кнопк*, страниц*, браузер*, запрос*, токен*,
        сессия, сессии, парол*, форма, форму, график*, поток*, библиотек*, фреймворк*, деплой*,
        сборк*, компил*, докер*, контейнер*, кластер*, шард*, реплик*, индекс*, верстк*, плагин*,
        фронтенд*, вебхук*, ветк*, витрин*, прод, проде, базу, базы, produktion*, datenbank*, 文件,
        服务器, 浏览器, 按钮, 页面, 订单, 队列, 循环, 异步, 数据""",
    "tidy": """tabs, spaces, типы, типизац*, types, type hint, type hints, type annotation, type
        annotations, return type, return types, docstring, docstrings, jsdoc, javadoc, getter,
        getters, setter, setters, null check, null checks, import, imports, unused import, unused
        imports, unused variable, list comprehension, comprehension, comprehensions, lint, linter,
        flake8, eslint, ruff, mypy, warning, warnings, typo, typos, semicolon, semicolons,
        indentation, whitespace, boilerplate, f string, f strings, quotes, single quotes, double
        quotes, constant, comments, a comment, header comment, comment out, formatting, indent,
        trailing comma, newline, snake case, camel case, magic number, unused, dead code, commented
        out, закомментирован*, отступ*, кавыч*, anführungszeichen, guillemets, comillas, snake_case,
        camelcase, const, ternary, arrow function, optional, private, static, default value, the
        default, the version, variable, variables, keywords, console.log, print statements,
        __repr__, __str__, __eq__, callbacks, var, typannotation*, typhinweis*, kommentar*, importe,
        privat, annotations de type, commentaires, comentarios, anotaciones, anotações, аннотац*,
        докстринг*, импорт*, опечатк*, переменн*, комментари*, проверку на null, строки, 类型注解,
        注释, 变量, 导入""",
    "small": """regex, regexp, regular expression, unit test, one liner, one line, list
        comprehension, getter, setter, docstring, регулярк*, регулярное, regulären, expresión
        regular, expression régulière, 正则""",
    "prose": """grammar, spelling, punctuation, sentence, sentences, paragraph, paragraphs, email,
        mail, wording, letter, essay, text, message, professional, notes, blog post, speech,
        article, tone, grammatik, grammaire, gramática, грамматик*, письмо, текст, 语法, 句""",
    "format": """json, yaml, csv, xml, toml, markdown, table, bullet, bullets, list, uppercase,
        lowercase, km, miles, celsius, fahrenheit, dates, names, addresses, emails, title case,
        tabelle, liste, tableau, tabla, tabela, таблиц*, список, 列表""",
    "change": """pull request, this pr, my pr, the pr, merge request, my mr, this mr, diff, this
        patch, this commit, last commit, the commit, diesem commit, my code, my solution, my
        implementation, following change, this change, пулл*, коммит*, мой код, diesen code, mon
        code, mi código, meu código""",
    "quality": """cleaner, better way, thread safe, idiomatic, code smells, any smells, edge cases,
        any suggestions, any issues, any problems, anything wrong, sanity check, best practice, best
        practices, readable, more efficient, improve, improved, is this safe, is it safe, what do
        you think, would you approve, would you merge, blow up, harsh, verbessern, améliorer,
        mejorar, mejorarías, melhorar, улучшить, 改进""",
    "pastime": """logo, poster, flyer, invitation, garden, kitchen, bedroom, tattoo, t shirt, dress,
        costume, menu, party, lesson, board game, vacation, meal, diet, fitness, marketing, learn,
        learning, tutorial, course, career, salary, interview questions, cover letter, slogan,
        opinion, fun fact, a book, good book, books, joke, poem, haiku, limerick, story, song,
        recipe, cook, movie, film, names, birthday, weather, holiday, trip, workout, gift, gedicht,
        witz, poème, blague, poema, chiste, шутк*, стих*, анекдот*, рецепт*, фильм*, 诗, 笑话""",
    "given": """document, passage, context, text below, the text, following text, article, invoice,
        policy, log, logs, notes, contract, config, table, list, section, readme, dokument, vertrag,
        contexte, documento, texto, contrato, тексту, тексте, документ*, договор*, 文字, 文档,
        文章""",
    "source": "in, from, given, using, based on, look up, read, nach, dans, en, из, в, 从",
    "according": """according to, look up, only the context, based on the document, based on the
        text, based on the context, passage say, text say, document say, laut dem, laut der,
        d'après, selon le, según el, de acordo com, согласно, исходя из, по тексту, 根据""",
    "below": """below, following, pasted, attached, folgenden, folgende, suivant, siguiente,
        seguinte, ниже, следующ*, 下面, 以下""",
    # Trouble.
    "bug": """bug, bugs, error, errors, exception, stack trace, traceback, deadlock, deadlocks, race
        condition, memory leak, regression, flaky, off by one, fehler, fehlermeldung, erreur, bogue,
        fallo, erro, falha, ошибк*, ошибок, баг, баги, бага, 错误, 报错, 异常""",
    "failure": """merge conflict, merge conflicts, rejecting, rejected, expired, refuses,
        verweigert, abgelaufen, отклоня*, просроч*, crash, crashes, crashing, fails, failing, fail,
        failed, broken, broke, breaks, throws, segfault, segmentation fault, oom, out of memory,
        doesn't work, does not work, not working, won't start, wrong result, why does my, why is my,
        why is this, could not, permission denied, connection refused, no such file, timed out, exit
        code, crashloopbackoff, is not defined, is not a function, cannot find, can't find, not
        found, format error, error 500, returns 404, return 404, returns 500, return 500, getting
        401, getting 403, freezes, funktioniert nicht, schlägt fehl, stürzt, geht nicht, plante, ne
        marche pas, ne fonctionne pas, no funciona, falla, não funciona, не работает, падает,
        вылетает, не компилируется, почему не, 崩溃, 不工作""",
    "broken off": """page blanche, affiche une, weiße seite, белый экран, infinite*, endlos,
        infiniment, бесконечн*, not showing, no output, overlapping, misaligned, flicker*, infinite
        loop, lagging, until i, fehl, klappt nicht, kaputt, ne s'affiche, no aparece, глюч*, лагает,
        тормозит, слома*, лома*, doesn't, does not, won't, can't, cannot, nothing, no longer, no
        idea, is not, are not, isn't, aren't, wasn't, didn't, did not, again, still, stopped, it
        worked, used to, even though, instead of, wrong, stuck, hangs, blank, white page, too slow,
        slow, unexpected, duplicates, off by, nicht mehr, leer, hängt, ne plus, vide, bloqué, ya no,
        se queda, en blanco, no sale, no carga, не, никак, почему то, пусто, перестал*, пропал*,
        завис*""",
    "why": """why, why do i, why does, why is, what did i do wrong, anything wrong, what's wrong,
        what is wrong, warum, wieso, pourquoi, por qué, por que, почему, 为什么""",
    "threat": """session fixation, hardening, compliance, disgruntled, gained access, weakness,
        weaknesses, admin panel, enumerat*, command injection, code injection, tamper*, spoof*,
        hijack*, mitm, md5, sha1, plaintext, root access, privilege*, cve, zero day,
        unauthenticated, without authentication, find out which, former employee, ssh keys,
        vulnerab*, exploit*, xss, csrf, ssrf, idor, sql injection, rce, security, security hole,
        security holes, attack, attacker, bypass, spam*, abuse*, ddos*, phishing, malicious,
        sandbox, risks, unauthorized, unauthorised, secrets, credential*, passwords, secret key,
        private key, api keys, encryption keys, signing secret, admin access, admin account, admin
        accounts, hipaa, pci, sicherheit*, angriff*, sécurité, faille*, seguridad, segurança,
        безопасност*, уязвим*, инъекци*, 安全, 漏洞, 注入""",
    "breach": """утекли, утек, datenleck, darknet, dark web, supply chain attack, chargebacks,
        publicly accessible, fraud, hacked, data breach, security breach, been breached,
        compromised, ransomware, malware, brute force, brute forcing, threat model, pentest,
        incident response, root keys, leaked, stole, stolen, exposes, public repo, public bucket,
        world readable, exfiltrat*, drained, blast radius, another customer's, another user's, other
        users', other customers', gehackt, piraté, hackeado, взлом*, утечк*, выгруз*, украл*, слили,
        чужого ip, 泄露, 被黑""",
    "incident": """production is down, prod is down, gained access, error rate is, on fire, locked
        out, lost access, data is gone, customers complain, can't pay, cannot pay, exposed, all our
        servers, all requests, every request, min ago, minutes ago, charged twice, double charged,
        losing money, losing orders, losing data, site is down, everything is down, service is down,
        data loss, drop table, delete from, writes are failing, writes will stop, disk is full, out
        of disk, being attacked, under attack, being used to, have been failing, failed halfway""",
    "what now": """nächsten schritte, prochaines étapes, próximos pasos, próximos passos, what now,
        what do we do, what should we do, what to do, next steps, first steps, first thing, our
        options, where do we look first, check first, was tun, que faire, qué hacemos, o que fazer,
        что делать, первые шаги, какие шаги, 怎么办""",
    "stake": """payment, payments, billing, auth, authentication, authorization, authorisation,
        ledger, encryption, gdpr, zahlung*, abrechnung*, paiement*, pago, pagos, pagamento*, оплат*,
        платеж*, авторизац*, аутентификац*, 支付, 认证""",
    "live": """transactions, mobile clients, production, prod, customers, customer, users, checkout,
        payments, produktion*, producción, produção, прод, проде, клиент*, 生产环境, 线上""",
    "loss": """truncated, overwritten, gone, disappeared, without a where, down, accidentally,
        dropped, deleted, lost, lose, losing, leaking, corrupted, wiped, outage, irreversible,
        overwrites, encrypted, versehentlich, gelöscht, ausgefallen, supprimé, borrado, apagado,
        случайно, упал, упала, лежит, потер*, удалили, 丢失, 宕机, 误删""",
    "data": """buckets, bucket, orders, records, files, data, personal data, accounts, database,
        table, backup, backups, rows, disk, shares, daten, datenbank*, données, datos, dados,
        данные, данных, база, базу, таблиц*, 数据""",
    # How it is said.
    "ask": """what, what's, whats, why, who, when, where, which, how, is, are, was, were, does, did,
        do i, do we, do you, can i, may i, has, is there, is it possible, difference, whose, was
        ist, warum, wieso, wie, wer, wann, wo, welche*, quel, quelle, quels, quelles, pourquoi,
        comment, qu'est, qui, combien, qué, cómo, cuál, quién, dónde, cuándo, cuánto, o que, por
        que, como, qual, quem, quanto, что, почему, как, зачем, где, когда, кто, сколько, какой,
        какая, какие, какую, 什么, 为什么, 怎么, 如何, 哪, 谁, 多久, 多少""",
    "filler": """make, provide, сделай, fais, haz, faça, проведи, conduct, perform, please, pls,
        plz, can, could, would, you, i, we, need, want, to, have, must, let's, lets, let, now,
        then, also, and, ok, okay, so, just, hey, hi, hello, help, me, us, great, good, only,
        thanks, thank, go, ahead, kindly, i'd, like, first, finally, step, well, a, an, the, do,
        task, perfect, no, give me, show me, gimme, i want, i need, we need, i'd like, bitte,
        kannst, du, könntest, mach, ein, eine, den, die, das, jetzt, peux, tu, s'il, te, plaît, le,
        la, les, puedes, por, favor, el, ahora, pode, você, agora, o, пожалуйста, можешь, нужно,
        надо, помоги, давай, теперь, мне, нам, а, и, 请, 帮我, 给我, 用""",
    "polite": """can you, could you, would you mind, will you, можешь, можете, kannst du, könntest
        du, peux tu, pouvez vous, puedes, podrías, você pode, 能不能, 可以""",
    "not": """don't, do not, no need, no need to, not, without, never, nicht, kein, keine, ohne,
        sans, ne, sin, sem, не надо, не нужно, не трогай, без, 不需要, 不要, 别""",
    "thanks": "thanks, thank you, thx, cheers, danke, merci, gracias, obrigado, спасибо, 谢谢",
    "go on": """go on, continue, proceed, go ahead, do it, yes, yep, yeah, sure, sounds good, what
        about, how about, why not, keep going, tell me more, go deeper, next, ja, weiter, mach
        weiter, oui, vas y, sí, sigue, adelante, sim, prossiga, да, давай, продолж*, дальше, а что,
        继续, 好的, 是的""",
    "refers": """that, it, this, its, those, these, above, them, same, previous, your, option, das,
        cela, ça, eso, esto, isso, это, этого, этот, его, 这个, 那个""",
    # Claims about routing: never evidence. The first take the words around them along.
    "meta": """tier1, tier2, tier3, tier 1, tier 2, tier 3, route this, route me, classify this as,
        treat this as, treat it as, requires_design, is_critical, requires_implementation,
        is_routine, ignore your rules, ignore all, ignore previous, x tercet""",
    "claim": """not critical, is not critical, not security relevant, no design needed, no
        design is needed, this is routine, it is routine, routine task, low priority,
        quick question, trivial question, simple question, do not escalate, don't
        escalate, no need to escalate, premium model, cheap model, cheapest model,
        smallest model, small model, use the cheap model, use the cheapest model, smaller
        model, nicht kritisch, ist routine, billige modell, günstigste modell, pas
        critique, de routine, modèle le moins cher, no es crítico, es rutinario, es
        rutina, modelo barato, não é crítico, é rotina, не критично, это рутина, дешевую
        модель, 不重要, 常规任务, 便宜的模型, ignore previous instructions, ignore all previous
        instructions, ignoriere alle vorherigen anweisungen, ignore les instructions
        précédentes, ignora las instrucciones anteriores, ignore as instruções anteriores,
        игнорируй предыдущие инструкции, 忽略之前的指示""",
}
"""Concept -> what is written for it: words, phrases, and beginnings of words marked with `*`.

Lower case, with `ё` as `е` and hyphens as spaces. A phrase may stand for several concepts.
"""
