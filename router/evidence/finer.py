"""Words that tell finer kinds apart: what a question is after, what a rewriting is for."""

# ruff: noqa: RUF001 -- these are the letters the callers type.

from collections.abc import Mapping
from typing import Final

FINER: Final[Mapping[str, str]] = {
    "summarise": """summarise, summarize, summarising, summarizing, summary, abstract for, tl;dr,
        tldr, key points, main points, key takeaways, takeaways, action items, gist, recap, boil,
        in one sentence, condense, fasse, zusammenfass*, kernaussagen, résume, résumer, points
        clés, resume, resuma, puntos clave, суммируй, резюмируй, перескаж*, кратк*, о чем, 总结,
        概括""",
    "reckon": """calculate, compute, solve, solve for, evaluate, integrate, factor, how much is,
        what percent, percent of, per cent, percentage, square root, sum of, product of, average
        of, how many ways, prove, prove that, show that, simplify, next number, prime, divisible,
        berechne, löse, wie viel sind, wie viel ist, prozent, primzahl, calcule, résous, cuánto es,
        calcula, quanto é, resolva, resuelve, реши, вычисли, посчитай, сколько будет, докажи, 计算,
        求, 解方程, 证明""",
    "mathematics": """probability, equation, equations, derivative, integral, determinant, matrix,
        fraction, interest, triangle, rectangle, square, circle, radius, area, perimeter, volume,
        average, sequence, polynomial, sqrt, log2, sin, cos, permutation*, combinations, dice, die,
        coin, discount, km/h, mph, speed, how many, how much, total, altogether, handshakes, liar,
        gleichung, ableitung, équation, dérivée, ecuación, derivada, equação, уравнени*, скорость,
        вероятност*, 面积, 概率, 方程, 多少""",
    "teach": """explain, describe, walk me through, teach me, what is meant, what are,
        what is a, what is an, what is the difference, what does, what's the difference,
        difference, differences, different from, how does, how do, how is a, how come, how
        it works, used for, pros and cons, trade offs, benefits of, overrated,
        intuitively, why does, why do, why is, why are, why did, tell me about, basics of,
        history of, in simple words, in simple terms, stand for, meaning of, define,
        erklär*, warum, unterschied, was ist, explique*, pourquoi, différence, qu'est ce,
        explica, diferencia, diferença, por qué, por que, qué es, o que é, объясни*,
        разниц*, чем отличается, что такое, почему, зачем,
        解释, 介绍, 什么是, 是什么, 为什么, 区别""",
    "greeting": """hello, hi, hey, good morning, good evening, good night, hallo, guten morgen,
        guten abend, salut, bonjour, hola, oi, привет, доброе утро, 你好, thanks, thank you, thx,
        cheers, bye, danke, merci, gracias, obrigado, спасибо, 谢谢""",
    "chatter": """how are you, how's it going, who are you, are you a, are you human,
        weekend, bored, lonely, feel, feeling, tired, favourite, favorite, funny, joke,
        poem, haiku, limerick, story, song, lyrics, toast, roleplay, imagine you, pirate,
        wedding, anniversary, birthday, cook, dinner, party, puppy, cat, pet, movie, film,
        book, books, holiday, trip, vacation, workout, gift, name for, names for, name
        ideas, slogan, lol, meaning of life, advice, wie geht, gedicht, witz, ça va,
        blague, poème, cómo estás, chiste, poema, tudo bem, как дела, шутк*, анекдот*,
        стих*, скучно, фильм*, праздник*, 你好, 你是谁, 写一首, 诗, 笑话""",
}
"""Concept -> what is written for it, as in `lexicon.LEXICON`.

Looked for apart from the phrases there, so that neither hides the other.
"""
